"""Features at the door of the metrics: checked, and given out some rows at a time.

A million images' features do not fit into memory, in float64 least of all. So metrics do not hold
them: they ask for the rows they need, which come in one dtype and on one device. That of a tensor
is its own; for NumPy arrays :mod:`facebench.metrics.device` says it. A GPU takes float32 from the
host and makes float64 of it itself; where it is slow in float64, the CPU computes what needs that
(:mod:`facebench.metrics.double_precision`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from facebench.errors import BadInput
from facebench.metrics.device import device_of
from facebench.metrics.upload import HostRows, ahead, on_gpu
from facebench.numerics.transfer import send

Features: TypeAlias = np.ndarray | Tensor
"""What a metric accepts: real numbers of shape (n, d), one row per image, any dtype and device."""

CHUNK = 2048
"""Rows given out at a time: in float64 and 2048 dimensions 32 MiB."""

# Whatever fits float32 can be squared and cubed in float64 without overflow: no metric is infinite.
_LARGEST = torch.finfo(torch.float32).max
_OF_NUMPY = {torch.float32: np.float32, torch.float64: np.float64}


@dataclass(frozen=True, eq=False)
class Rows:
    """Features (n, d) that were checked, or some of their rows in any order."""

    source: Features | HostRows
    dtype: torch.dtype
    device: torch.device
    """Where the rows are given out: what is computed with them belongs there, too."""
    order: Int64[Tensor, " n"] | None = None
    """Which rows of the source, in which order; None for all. It lies where the source does."""

    def __len__(self) -> int:
        return len(self.source if self.order is None else self.order)

    @property
    def width(self) -> int:
        """How many features a row has."""
        return self.source.shape[1]

    def __getitem__(self, rows: slice) -> Float[Tensor, "n d"]:
        """Return some rows. What is of this dtype and device already is read, not written."""
        return _converted(self._picked(rows), self.dtype).to(self.device)

    def _picked(self, rows: slice) -> Features:
        if self.order is None:
            return self.source[rows]
        chosen = self.order[rows]
        if isinstance(self.source, Tensor):
            return self.source[chosen]
        return self.source[chosen.numpy()]

    def chunks(self, begin: int = 0) -> Iterator[tuple[slice, Float[Tensor, "n d"]]]:
        """Yield all rows from `begin`, CHUNK at a time, and where they are."""
        starts = range(begin, len(self), CHUNK)
        slices = (slice(first, min(first + CHUNK, len(self))) for first in starts)
        chunks = ((rows, self[rows]) for rows in slices)
        return ahead(chunks) if isinstance(self.source, HostRows) else chunks

    def subset(self, order: Int64[Tensor, " r"]) -> "Rows":
        """Return the rows numbered `order`, as a view."""
        source = self.source
        order = send(order, source.device) if isinstance(source, Tensor) else order.cpu()
        return replace(self, order=order if self.order is None else self.order[order])


def as_rows(
    values: Features,
    name: str = "features",
    minimum: int = 1,
    dtype: torch.dtype = torch.float64,
) -> Rows:
    """Return `values` as rows, or raise :class:`BadInput` where no metric could use them."""
    return _checked(values, name, minimum, dtype, device_of(values, dtype))


def as_pair(
    real: Features, fake: Features, minimum: int = 1, dtype: torch.dtype = torch.float64
) -> tuple[Rows, Rows]:
    """Return both sets as :func:`as_rows` does, on one device and known to be equally wide."""
    devices = [device_of(values, dtype) for values in (real, fake)]
    device = next((each for each in devices if each.type != "cpu"), devices[0])
    x = _checked(real, "real features", minimum, dtype, device)
    y = _checked(fake, "generated features", minimum, dtype, device)
    if x.width != y.width:
        raise BadInput(
            f"The real features have {x.width} columns and the generated ones {y.width}: "
            "compute both with one extractor."
        )
    return x, y


def _checked(
    values: Features, name: str, minimum: int, dtype: torch.dtype, device: torch.device
) -> Rows:
    if values.dtype.kind not in "fiu" if isinstance(values, np.ndarray) else values.is_complex():
        raise BadInput(f"The {name} must be real numbers, not {values.dtype}.")
    if values.ndim != 2 or values.shape[1] == 0:
        raise BadInput(f"The {name} must have the shape (n, d), not {tuple(values.shape)}.")
    if len(values) < minimum:
        raise BadInput(
            f"The {name} hold {len(values)} samples where at least {minimum} are needed."
        )
    source: Features | HostRows = values
    if isinstance(values, np.ndarray) and device.type == "cuda":
        source = on_gpu(values, dtype, device)
    rows = Rows(source, dtype, device)
    if not _all_finite(rows):
        raise BadInput(f"The {name} hold NaN or infinite values: mend what computed them.")
    return rows


def _all_finite(rows: Rows) -> bool:
    """Ask for the answer once: a GPU would be waited for each time."""
    lows, highs = zip(*(torch.aminmax(chunk) for _, chunk in rows.chunks()), strict=True)
    low, high = torch.stack(lows).amin(), torch.stack(highs).amax()
    return bool((low >= -_LARGEST) & (high <= _LARGEST))  # false for NaN, too


def _converted(values: Features, dtype: torch.dtype) -> Tensor:
    if isinstance(values, Tensor):
        return values.detach().to(dtype)
    # torch takes neither read-only memory maps nor foreign byte orders
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused
        return torch.from_numpy(np.require(values, _OF_NUMPY[dtype], ["C", "W"]))
