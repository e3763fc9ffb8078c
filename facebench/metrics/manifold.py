"""Precision, recall, density and coverage from one blockwise sweep over the distances.

A manifold is the union of balls around a set's points, each reaching to its point's k-th nearest
neighbour in the set. Precision and recall are those of Kynkäänniemi et al. 2019 (1904.06991: k = 3,
inside if d ≤ radius) as in torch-fidelity, density and coverage those of Naeem et al. 2020
(2002.09797: k = 5, strictly d < radius) as in prdc, whose own precision and recall are strict too.

Distances stay squared, in float64. Equal ones must compare as equal, e.g. where a generator copies
the training set, although a matrix product rounds them differently in every block. So a sphere has
a thickness, far above rounding and far below any real difference, that closed balls include.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from facebench.errors import BadInput
from facebench.metrics.arrays import Features, as_pair

MEMORY = 1 << 30
"""Bytes that the distances may take at a time, unless told otherwise."""

_BYTES_PER_PAIR = 16  # a float64 distance, and what comparing it takes
_THICKNESS = 1e-12  # of the squared lengths that went into a distance: some 4,000 roundings


class ManifoldScores(NamedTuple):
    """Shares between 0 and 1, but for density, which has no upper bound."""

    precision: float
    recall: float
    density: float
    coverage: float


def precision_recall(
    real: Features, fake: Features, k: int = 3, memory: int = MEMORY
) -> tuple[float, float]:
    """Return the share of `fake` in the real manifold and that of `real` in the generated one.

    Args:
        real: features of shape (n, d), n > k.
        fake: features of shape (m, d), m > k.
        k: the neighbour to which a ball reaches.
        memory: bytes that the distances may take at a time; the result does not depend on it.

    Raises:
        BadInput: for too few samples, unequal widths, or values that are not finite.
    """
    scores = manifold_scores(real, fake, k, k, memory)
    return scores.precision, scores.recall


def density_coverage(
    real: Features, fake: Features, k: int = 5, memory: int = MEMORY
) -> tuple[float, float]:
    """Return how full of `fake` the real balls are, 1 being par, and the share that holds any.

    Arguments and errors are those of `precision_recall`.
    """
    x, y = _point_sets(real, fake, k, memory)
    balls, none = x.open_balls(x.nearest(k)), torch.full_like(y.norms, -torch.inf)
    scores = _sweep(x, y, balls, none, balls, k)
    return scores.density, scores.coverage


def manifold_scores(
    real: Features, fake: Features, k: int = 3, k_density: int = 5, memory: int = MEMORY
) -> ManifoldScores:
    """Return all four, precision and recall for `k`, with each distance computed once.

    Arguments and errors are those of `precision_recall`; the larger k sets the fewest samples.
    """
    x, y = _point_sets(real, fake, max(k, k_density), memory)
    near_x, near_y = x.nearest(max(k, k_density)), y.nearest(k)
    closed_x, closed_y = x.closed_balls(near_x[:, :k]), y.closed_balls(near_y)
    return _sweep(x, y, closed_x, closed_y, x.open_balls(near_x[:, :k_density]), k_density)


@dataclass(frozen=True, eq=False)
class _Points:
    """A set's points, centred lest their distances cancel, and their squared lengths."""

    values: Float64[Tensor, "n d"]
    norms: Float64[Tensor, " n"]
    memory: int

    def distances_to(self, other: "_Points") -> Iterator[tuple[slice, Float64[Tensor, "b m"]]]:
        """Yield ‖x - y‖² = ‖x‖² + ‖y‖² - 2xᵀy of as many rows at a time as fit into memory."""
        step = max(1, self.memory // (_BYTES_PER_PAIR * len(other.values)))
        for first in range(0, len(self.values), step):
            rows = slice(first, first + step)
            block = torch.addmm(other.norms, self.values[rows], other.values.T, alpha=-2)
            yield rows, block.add_(self.norms[rows, None])

    def nearest(self, k: int) -> Float64[Tensor, "n k"]:
        """Return each point's squared distances to its k nearest others, ascending."""
        found = []
        for rows, block in self.distances_to(self):
            block.diagonal(rows.start).fill_(torch.inf)  # no point is its own neighbour
            found.append(block.topk(k, largest=False).values)
        return torch.cat(found)

    def closed_balls(self, nearest: Float64[Tensor, "n k"]) -> Float64[Tensor, " n"]:
        """Return the squared radii up to which a distance is at most that to the k-th neighbour."""
        return nearest[:, -1] + self._thickness(nearest)

    def open_balls(self, nearest: Float64[Tensor, "n k"]) -> Float64[Tensor, " n"]:
        """Return the squared radii below which a distance is less than that to the k-th."""
        return nearest[:, -1] - self._thickness(nearest)

    def _thickness(self, nearest: Float64[Tensor, "n k"]) -> Float64[Tensor, " n"]:
        return _THICKNESS * (self.norms + nearest[:, -1])


def _point_sets(real: Features, fake: Features, k: int, memory: int) -> tuple[_Points, _Points]:
    if k < 1:
        raise BadInput(f"There is no neighbour number {k}: k must be 1 or more.")
    x, y = as_pair(real, fake, minimum=k + 1)
    centre = (x.sum(0) + y.sum(0)) / (len(x) + len(y))
    x, y = x - centre, y - centre
    return _Points(x, x.square().sum(1), memory), _Points(y, y.square().sum(1), memory)


def _sweep(
    x: _Points,
    y: _Points,
    closed_x: Float64[Tensor, " n"],
    closed_y: Float64[Tensor, " m"],
    open_x: Float64[Tensor, " n"],
    k_density: int,
) -> ManifoldScores:
    """Compare each distance between a real x and a generated y with the balls around both."""
    y_inside = torch.zeros_like(y.norms, dtype=torch.bool)
    x_inside, crowds = [], []
    for rows, block in x.distances_to(y):
        y_inside |= _inside(block, closed_x[rows])
        x_inside.append(_inside(block.T, closed_y))
        crowds.append((block < open_x[rows, None]).sum(1))
    crowd = torch.cat(crowds)
    return ManifoldScores(
        precision=_share(y_inside),
        recall=_share(torch.cat(x_inside)),
        density=float(crowd.sum()) / (k_density * len(y.values)),
        coverage=_share(crowd > 0),
    )


def _inside(distances: Float64[Tensor, "a b"], balls: Float64[Tensor, " a"]) -> Bool[Tensor, " b"]:
    """Return which columns' points lie in the ball of any row's point."""
    return (distances <= balls[:, None]).any(0)


def _share(chosen: Bool[Tensor, " n"]) -> float:
    return float(chosen.sum()) / len(chosen)
