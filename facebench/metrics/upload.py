"""Rows of NumPy arrays on their way to a GPU, through pinned memory.

From there a GPU fetches them by itself, while the program goes on and reads the next rows from
their file. A buffer is filled again only when what it held has arrived.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Int64, Real
from torch import Tensor

RESIDENT = 1 / 8
"""A set lies on the GPU while a metric runs if it fits into this part of the card's memory. Of a
larger one every part is fetched when it is asked for."""

BUFFER = 2048
"""Rows that each of two buffers has room for: in float32 and 2048 dimensions 16 MiB."""

T = TypeVar("T")


class _Buffer:
    """Pinned memory for some rows, and whether they have left it."""

    def __init__(self, rows: int, width: int, dtype: torch.dtype) -> None:
        self._memory = torch.empty(rows, width, dtype=dtype, device="cpu", pin_memory=True)
        self._has_left = torch.cuda.Event()  # type: ignore[no-untyped-call]

    def send(self, rows: np.ndarray, target: Real[Tensor, "n d"]) -> None:
        """Copy `rows` to `target` on a GPU: they are on their way when this returns."""
        self._has_left.synchronize()  # at once where nothing was sent before
        filled = self._memory[: len(rows)]
        with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused
            np.copyto(filled.numpy(), rows, casting="unsafe")
        target.copy_(filled, non_blocking=True)
        self._has_left.record(torch.cuda.current_stream(target.device))


@dataclass(frozen=True, eq=False)
class HostRows:
    """Rows (n, d) of an array on the host, of which those that are asked for come to a GPU."""

    array: np.ndarray
    dtype: torch.dtype
    """In which they travel, and arrive."""
    device: torch.device
    buffers: Iterator[_Buffer]

    @classmethod
    def of(cls, array: np.ndarray, dtype: torch.dtype, device: torch.device) -> "HostRows":
        """Return the rows of an array, which takes two buffers."""
        size = min(len(array), BUFFER), array.shape[1], dtype
        return cls(array, dtype, device, cycle([_Buffer(*size), _Buffer(*size)]))

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""
        return self.array.shape

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, rows: slice | Int64[np.ndarray, " r"]) -> Real[Tensor, "r d"]:
        """Return some rows on the GPU, where they will have arrived before anything uses them."""
        numbers = range(len(self))[rows] if isinstance(rows, slice) else rows
        found = torch.empty(len(numbers), self.shape[1], dtype=self.dtype, device=self.device)
        for first in range(0, len(numbers), BUFFER):
            part = self.array[_index(numbers[first : first + BUFFER])]
            next(self.buffers).send(part, found[first : first + BUFFER])
        return found


def on_gpu(array: np.ndarray, dtype: torch.dtype, device: torch.device) -> Tensor | HostRows:
    """Return rows that will be wanted in `dtype` for use on a GPU: there, or on call.

    What float32 holds exactly travels in float32, whatever `dtype`: half the way of float64.
    """
    carried = torch.float32 if np.can_cast(array.dtype, np.float32) else dtype
    rows = HostRows.of(array, carried, device)
    room = torch.cuda.get_device_properties(device).total_memory * RESIDENT
    return rows[:] if array.size * carried.itemsize <= room else rows


def ahead(items: Iterator[T]) -> Iterator[T]:
    """Yield each item once the next one is on its way."""
    held: list[T] = []
    for item in items:
        yield from held
        held = [item]
    yield from held


def _index(numbers: range | np.ndarray) -> slice | np.ndarray:
    """Return consecutive numbers as a slice, whose rows NumPy does not copy."""
    if isinstance(numbers, range) and numbers.step == 1:
        return slice(numbers.start, numbers.stop)
    return np.asarray(numbers)
