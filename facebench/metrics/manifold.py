"""Precision, recall, density and coverage from one blockwise sweep over the distances.

A manifold is the union of balls around a set's points, each reaching to its point's k-th nearest
neighbour in the set. Precision and recall are those of Kynkäänniemi et al. 2019 (1904.06991: k = 3,
inside if d ≤ radius) as in torch-fidelity, density and coverage those of Naeem et al. 2020
(2002.09797: k = 5, strictly d < radius) as in prdc, whose own precision and recall are strict too.

Equal distances must compare as equal, e.g. where a generator copies the training set, although
they are rounded differently in every block. So spheres have a thickness, that of the rounding
(see facebench.metrics.distances), which belongs to closed balls and not to open ones. Even among
5,000 points in 2048 independent dimensions, where distances hardly differ, that moves density by
.1 % and recall by one image; in faces' features, with tens of such dimensions, far less.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, Int64
from torch import Tensor

from facebench.metrics.arrays import Features
from facebench.metrics.distances import MEMORY, Points, as_points
from facebench.metrics.uncertainty import Estimate, blocks, from_blocks, from_influence

_RATE = 0.88
"""The power of 1/n by which recall's and coverage's variance was measured to fall (`tests/bench`):
of more images a smaller share lies near the edge of a ball, but the balls are smaller, too."""


class ManifoldScores(NamedTuple):
    """Shares between 0 and 1, but for density, which has no upper bound."""

    precision: float
    recall: float
    density: float
    coverage: float


class ManifoldEstimates(NamedTuple):
    """The same with their uncertainties."""

    precision: Estimate
    recall: Estimate
    density: Estimate
    coverage: Estimate


def precision_recall(
    real: Features, fake: Features, k: int = 3, memory: int = MEMORY, strict: bool = False
) -> tuple[float, float]:
    """Return the share of `fake` in the real manifold and that of `real` in the generated one.

    Args:
        real: features of shape (n, d), n > k.
        fake: features of shape (m, d), m > k.
        k: the neighbour to which a ball reaches.
        memory: bytes that the distances may take at a time, beside the features themselves in
            float32; the result does not depend on it.
        strict: whether a ball lacks its surface (d < radius), as in prdc.

    Raises:
        BadInput: for too few samples, unequal widths, or values that are not finite.
    """
    scores = manifold_scores(real, fake, k, k, memory, strict)
    return scores.precision, scores.recall


def density_coverage(
    real: Features, fake: Features, k: int = 5, memory: int = MEMORY
) -> tuple[float, float]:
    """Return how full of `fake` the real balls are, 1 being par, and the share that holds any.

    Arguments and errors are those of `precision_recall`.
    """
    scores = manifold_scores(real, fake, k, k, memory)
    return scores.density, scores.coverage


def manifold_scores(
    real: Features,
    fake: Features,
    k: int = 3,
    k_density: int = 5,
    memory: int = MEMORY,
    strict: bool = False,
) -> ManifoldScores:
    """Return all four, precision and recall for `k`, with each distance computed once.

    Arguments and errors are those of `precision_recall`; the larger k sets the fewest samples.
    """
    x, y = as_points(real, fake, memory, minimum=max(k, k_density) + 1)
    return _sweep(x, y, k, k_density, strict).scores()


def manifold_estimates(
    real: Features,
    fake: Features,
    k: int = 3,
    k_density: int = 5,
    memory: int = MEMORY,
    strict: bool = False,
) -> ManifoldEstimates:
    """Return all four with their uncertainties; arguments and errors are `manifold_scores`'.

    The shares' come from disjoint blocks, which tell too little of density in many dimensions,
    where few images are neighbours of many: its uncertainty comes from each image's influence.
    For a generator that repeats ten images precision's and density's are too small: .4 and .7 of
    what they should be.
    """
    return manifold(real, fake, k, k_density, memory, strict).estimates


class Manifold(NamedTuple):
    """The scores, and what coverage is made of, image by image."""

    estimates: ManifoldEstimates
    covered: Bool[Tensor, " n"]
    """Whether any generated image is in the open ball around each real one."""


def manifold(
    real: Features,
    fake: Features,
    k: int = 3,
    k_density: int = 5,
    memory: int = MEMORY,
    strict: bool = False,
) -> Manifold:
    """Return all that one sweep tells; arguments and errors are `manifold_scores`'."""
    x, y = as_points(real, fake, memory, minimum=max(k, k_density) + 1)
    whole = _sweep(x, y, k, k_density, strict)
    scores = whole.scores()
    precision, recall, _, coverage = _of_blocks(x, y, k, k_density, strict).T
    estimates = ManifoldEstimates(
        from_blocks(scores.precision, precision),
        from_blocks(scores.recall, recall, _RATE),
        from_influence(scores.density, whole.real_influence(), whole.fake_influence()),
        from_blocks(scores.coverage, coverage, _RATE),
    )
    return Manifold(estimates, whole.crowds > 0)


class _Sweep(NamedTuple):
    """Who lies in whose balls."""

    fake_inside: Bool[Tensor, " m"]
    """Whether in any closed real ball."""
    real_inside: Bool[Tensor, " n"]
    """Whether in any closed generated ball."""
    crowds: Float64[Tensor, " n"]
    """How many generated points are in each open real ball."""
    hosts: Float64[Tensor, " m"]
    """How many open real balls each generated point is in."""
    neighbours: Int64[Tensor, "n k"]
    """The real points up to which each open real ball reaches."""

    def scores(self) -> ManifoldScores:
        return ManifoldScores(
            precision=_share(self.fake_inside),
            recall=_share(self.real_inside),
            density=float(self.crowds.sum()) / self.neighbours.shape[1] / len(self.hosts),
            coverage=_share(self.crowds > 0),
        )

    def fake_influence(self) -> Float64[Tensor, " m"]:
        """Return each generated point's share in the density, h(y) / k.

        It is in h(y) open real balls; their mean is the density.
        """
        return self.hosts / self.neighbours.shape[1]

    def real_influence(self) -> Float64[Tensor, " n"]:
        """Return what each real point xᵢ adds to the density.

            Σ cⱼ/k over the k neighbours j of i,  less  Σ cⱼ/k over the j that i is a neighbour of

        with cᵢ the generated points in the ball around xᵢ, times n/km, so that their mean is the
        density. A point adds a crowd, and takes a k-th of the crowd from each ball that has it
        among its k neighbours, for without it the ball would reach as much farther. The crowd it
        may expect is the average of its neighbours': its own would count the chance in its radius
        and in the generated points again, which its neighbours' and their influence hold already.
        """
        n, k = self.neighbours.shape
        crowds = self.crowds * (n / k / len(self.hosts))
        taken = torch.zeros_like(crowds).index_add_(
            0, self.neighbours.flatten(), (crowds / k).repeat_interleave(k)
        )
        return crowds[self.neighbours].mean(1) - taken


def _sweep(x: Points, y: Points, k: int, k_density: int, strict: bool) -> _Sweep:
    """Compare each distance between a real x and a generated y with the balls around both."""
    near_x, near_y = x.nearest_others(max(k, k_density)), y.nearest_others(k)
    ball_x, ball_y = _balls(x, near_x.squares, k, strict), _balls(y, near_y.squares, k, strict)
    open_x = _balls(x, near_x.squares, k_density, strict=True)
    fake_inside = torch.zeros_like(y.norms, dtype=torch.bool)
    hosts = torch.zeros_like(y.norms, dtype=torch.float64)
    real_inside, crowds = [], []
    for rows, block in x.distances_to(y):
        fake_inside |= (block <= ball_x[rows, None]).any(0)
        real_inside.append((block <= ball_y).any(1))
        inside = block.le_(open_x[rows, None])  # 1 or 0 in place; float32 counts up to 2²⁴ exactly
        crowds.append(inside.sum(1).double())
        hosts += inside.sum(0)
    neighbours = near_x.indices[:, :k_density]
    return _Sweep(fake_inside, torch.cat(real_inside), torch.cat(crowds), hosts, neighbours)


def _balls(
    points: Points, squares: Float32[Tensor, "n nearest"], k: int, strict: bool
) -> Float32[Tensor, " n"]:
    """Return the squared radii up to which a point is in the ball to the k-th neighbour."""
    radii = squares[:, k - 1]
    thickness = points.rounding(radii)
    return radii - thickness if strict else radii + thickness


def _of_blocks(
    x: Points, y: Points, k: int, k_density: int, strict: bool
) -> Float64[np.ndarray, "blocks 4"]:
    """Return the scores of disjoint blocks; of none where they would be too small for k."""
    parts = [(x[real], y[fake]) for real, fake in blocks(len(x), len(y))]
    if any(min(map(len, part)) <= max(k, k_density) for part in parts):
        parts = []
    scores = [_sweep(*part, k, k_density, strict).scores() for part in parts]
    return np.array(scores, np.float64).reshape(-1, 4)


def _share(chosen: Bool[Tensor, " n"]) -> float:
    return float(chosen.sum()) / len(chosen)
