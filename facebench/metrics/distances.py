"""Distances between two sets of points in blocks: float32, under a memory cap, never all at once.

‖x - y‖² = ‖x‖² + ‖y‖² - 2xᵀy is one matrix product a block, but it rounds as the lengths of x and y
do, not as their distance. So the product only finds the nearest points, and their distances are
measured by the differences: to a copy it is exactly 0. Where products are compared with such
distances, `rounding` says which differences mean nothing.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from facebench.errors import BadInput
from facebench.metrics.arrays import Features, Rows, as_pair
from facebench.numerics.precision import exact_float32

MEMORY = 1 << 30
"""Bytes that the distances may take at a time, on the CPU or on a GPU, unless told otherwise."""

# A float32 distance, and what comparing it takes: 1 byte, and on a GPU half of one in topk.
_BYTES_PER_PAIR = 8
_BYTES_PER_VALUE = 12  # of a query and a point that was found, and their difference

# Of the squared lengths that went into a product. Measured at d = 2048 on centred features: at most
# 5e-7 where every feature varies alike, 2e-6 (3e-6 a row at a time) where the i-th varies as 1/i².
_ROUNDING = 4e-6


class Neighbours(NamedTuple):
    """Each query's nearest points, nearest first."""

    squares: Float32[Tensor, "n k"]
    """Squared distances, by the scale of the points."""
    indices: Int64[Tensor, "n k"]


@dataclass(frozen=True, eq=False)
class Points:
    """A set of points about the origin, none of whose values is beyond ±4: all of it in memory.

    On a GPU, in the card's: n·d·4 bytes, beside the features while these are made points.
    """

    values: Float32[Tensor, "n d"]
    norms: Float32[Tensor, " n"]
    """Squared lengths."""
    scale: float
    """By which distances have to be multiplied."""
    memory: int

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: slice | Int64[Tensor, " r"]) -> "Points":
        return Points(self.values[rows], self.norms[rows], self.scale, self.memory)

    def distances_to(self, other: "Points") -> Iterator[tuple[slice, Float32[Tensor, "b m"]]]:
        """Yield the squared distances of as many rows at a time as fit into memory.

        Each block takes the place of the one before: many large ones would leave holes in memory.
        """
        per_row = _BYTES_PER_PAIR * len(other) + _BYTES_PER_VALUE * self.values.shape[1]
        step = min(max(1, self.memory // per_row), len(self))
        space = self.norms.new_empty(step, len(other))
        for first in range(0, len(self), step):
            rows = slice(first, min(first + step, len(self)))
            block = space[: rows.stop - first]
            with exact_float32():
                torch.addmm(other.norms, self.values[rows], other.values.T, alpha=-2, out=block)
            yield rows, block.add_(self.norms[rows, None])

    def nearest(
        self, other: "Points", k: int, but: Int64[Tensor, " n"] | None = None
    ) -> Neighbours:
        """Return the k points of `other` nearest to each of these, never the one numbered `but`."""
        available = len(other) - (but is not None)
        if not 1 <= k <= available:
            raise BadInput(
                f"There is no neighbour number {k} among {available} images: "
                "k must be 1 or more, and the images at least as many."
            )
        found = []
        for rows, block in self.distances_to(other):
            if but is not None:
                block.scatter_(1, but[rows, None], torch.inf)
            candidates = block.topk(k, largest=False).indices
            found.append(_measured(self.values[rows], other.values, candidates))
        return Neighbours(*map(torch.cat, zip(*found, strict=True)))

    def nearest_others(self, k: int) -> Neighbours:
        """Return each point's k nearest others."""
        return self.nearest(self, k, torch.arange(len(self), device=self.norms.device))

    def rounding(self, squares: Float32[Tensor, " n"]) -> Float32[Tensor, " n"]:
        """Return by how much a product may differ from these squared distances of the points.

        Never 0, so that a ball without its surface is empty where its radius is 0.
        """
        return _ROUNDING * (self.norms + squares) + torch.finfo(squares.dtype).tiny


def as_points(
    a: Features, b: Features, memory: int = MEMORY, minimum: int = 1
) -> tuple[Points, Points]:
    """Return features (n, d) and (m, d) as points, moved and scaled alike, or raise `BadInput`.

    Scaled by a power of 2, which is exact, so that no square is beyond float32.
    """
    x, y = as_pair(a, b, minimum, torch.float32)
    scale = 2.0 ** (math.frexp(max(_largest(x), _largest(y)))[1] - 1)
    a, b = _scaled(x, scale), _scaled(y, scale)
    centre = (a.sum(0) + b.sum(0)) / (len(a) + len(b))
    return _about(centre, a, scale, memory), _about(centre, b, scale, memory)


def _largest(rows: Rows) -> float:
    return float(torch.stack([chunk.abs().max() for _, chunk in rows.chunks()]).max())


def _scaled(rows: Rows, scale: float) -> Float32[Tensor, "n d"]:
    values = torch.empty(len(rows), rows.width, device=rows.device)
    for where, chunk in rows.chunks():
        torch.div(chunk, scale, out=values[where])
    return values


def _about(
    centre: Float32[Tensor, " d"], values: Float32[Tensor, "n d"], scale: float, memory: int
) -> Points:
    values.sub_(centre)
    return Points(values, torch.linalg.vecdot(values, values), scale, memory)


def _measured(
    queries: Float32[Tensor, "b d"], points: Float32[Tensor, "m d"], indices: Int64[Tensor, "b k"]
) -> Neighbours:
    """Return the candidates in the order of their distances, each measured by the difference."""
    each = [(queries - points[column]).square_().sum(1) for column in indices.unbind(1)]
    squares, order = torch.stack(each, 1).sort(dim=1, stable=True)
    return Neighbours(squares, indices.gather(1, order))
