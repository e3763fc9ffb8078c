"""Features at the door of the metrics: checked, and given out some rows at a time.

A million images' features do not fit into memory, in float64 least of all. So metrics do not hold
them: they ask for the rows they need, which come in one dtype and on one device.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from facebench.errors import BadInput

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

    source: Features
    dtype: torch.dtype
    device: torch.device
    order: Int64[Tensor, " n"] | None = None
    """Which rows of the source, in which order; None for all."""

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
            return self.source[chosen.to(self.source.device)]
        return self.source[chosen.numpy()]

    def chunks(self, begin: int = 0) -> Iterator[tuple[slice, Float[Tensor, "n d"]]]:
        """Yield all rows from `begin`, CHUNK at a time, and where they are."""
        for first in range(begin, len(self), CHUNK):
            rows = slice(first, min(first + CHUNK, len(self)))
            yield rows, self[rows]

    def subset(self, order: Int64[Tensor, " r"]) -> "Rows":
        """Return the rows numbered `order`, as a view."""
        return replace(self, order=order if self.order is None else self.order[order])


def as_rows(
    values: Features,
    name: str = "features",
    minimum: int = 1,
    dtype: torch.dtype = torch.float64,
) -> Rows:
    """Return `values` as rows, or raise :class:`BadInput` where no metric could use them."""
    if values.dtype.kind not in "fiu" if isinstance(values, np.ndarray) else values.is_complex():
        raise BadInput(f"The {name} must be real numbers, not {values.dtype}.")
    if values.ndim != 2 or values.shape[1] == 0:
        raise BadInput(f"The {name} must have the shape (n, d), not {tuple(values.shape)}.")
    if len(values) < minimum:
        raise BadInput(
            f"The {name} hold {len(values)} samples where at least {minimum} are needed."
        )
    device = values.device if isinstance(values, Tensor) else torch.device("cpu")
    rows = Rows(values, dtype, device)
    for _, chunk in rows.chunks():
        low, high = torch.aminmax(chunk)
        if not (low >= -_LARGEST and high <= _LARGEST):  # false for NaN, too
            raise BadInput(f"The {name} hold NaN or infinite values: mend what computed them.")
    return rows


def as_pair(
    real: Features, fake: Features, minimum: int = 1, dtype: torch.dtype = torch.float64
) -> tuple[Rows, Rows]:
    """Return both sets as :func:`as_rows` does, on one device and known to be equally wide."""
    x = as_rows(real, "real features", minimum, dtype)
    y = as_rows(fake, "generated features", minimum, dtype)
    if x.width != y.width:
        raise BadInput(
            f"The real features have {x.width} columns and the generated ones {y.width}: "
            "compute both with one extractor."
        )
    device = y.device if x.device.type == "cpu" else x.device
    return replace(x, device=device), replace(y, device=device)


def _converted(values: Features, dtype: torch.dtype) -> Tensor:
    if isinstance(values, Tensor):
        return values.detach().to(dtype)
    # torch takes neither read-only memory maps nor foreign byte orders
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused
        return torch.from_numpy(np.require(values, _OF_NUMPY[dtype], ["C", "W"]))
