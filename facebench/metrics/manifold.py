"""Precision, recall, density and coverage from one blockwise sweep over the distances.

A manifold is the union of balls around a set's points, each reaching to its point's k-th nearest
neighbour in the set. Precision and recall are those of Kynkäänniemi et al. 2019 (1904.06991: k = 3,
inside if d ≤ radius) as in torch-fidelity, density and coverage those of Naeem et al. 2020
(2002.09797: k = 5, strictly d < radius) as in prdc, whose own precision and recall are strict too.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64
from torch import Tensor

from facebench.metrics.arrays import Features
from facebench.metrics.clipped import ClippedEstimates, clipped_estimates
from facebench.metrics.distances import MEMORY, Points, as_points
from facebench.metrics.repeats import with_repeats
from facebench.metrics.sweep import Sweep, borne_by, sweep
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
    return _scores(sweep(x, y, k, k_density, strict))


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
    Where a generator repeats its images, recall's and coverage's may be too small.
    """
    return manifold(real, fake, k, k_density, memory, strict).estimates


class Manifold(NamedTuple):
    """The scores, and what coverage is made of, image by image."""

    estimates: ManifoldEstimates
    clipped: ClippedEstimates
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
    whole = sweep(x, y, k, k_density, strict)
    scores, parts = _scores(whole), _of_blocks(x, y, k, k_density, strict)
    precision, recall, _, coverage = np.array(list(map(_scores, parts))).reshape(-1, 4).T
    estimates = ManifoldEstimates(
        _precision(whole, scores.precision, precision, parts),
        from_blocks(scores.recall, recall, _RATE),
        from_influence(scores.density, *_density_influence(whole)),
        from_blocks(scores.coverage, coverage, _RATE),
    )
    return Manifold(estimates, clipped_estimates(whole), whole.crowds > 0)


def _precision(
    whole: Sweep, value: float, of_blocks: Float64[np.ndarray, " blocks"], parts: list[Sweep]
) -> Estimate:
    """Return the precision with its uncertainty.

    The variance of a share p goes as p(1 - p), and with fewer images than dimensions that of a
    block is another share.
    """
    estimate = from_blocks(value, of_blocks)
    if estimate.groups is None:
        return estimate
    of_part = _spread(float(of_blocks.mean()), len(parts[0].hosts))
    scale = _spread(value, len(whole.hosts)) / of_part
    scaled = Estimate(value, value + (estimate.groups - value) * scale)
    if whole.repeats is None:
        return scaled
    return with_repeats(scaled, whole.repeats, [each.fake_inside.cpu().numpy() for each in parts])


def _spread(share: float, count: int) -> float:
    """Return √(p(1 - p)) of a share of `count` images, with half an image more on either side."""
    p = (share * count + 0.5) / (count + 1)
    return math.sqrt(p * (1 - p))


def _density_influence(swept: Sweep) -> tuple[Float64[Tensor, " n"], Float64[Tensor, " m"]]:
    """Return what each real point adds to the density, and each generated one, h(y) / k.

    With cᵢ the generated points in the ball around xᵢ, and h(y) the balls that y is in, the density
    is the mean of n cᵢ / km, and that of h(y) / k.
    """
    n, k = swept.neighbours.shape
    crowds = swept.crowds * (n / k / len(swept.hosts))
    return borne_by(swept.neighbours, crowds, crowds, swept.repeated), swept.hosts / k


def _scores(swept: Sweep) -> ManifoldScores:
    return ManifoldScores(
        precision=_share(swept.fake_inside),
        recall=_share(swept.real_inside),
        density=float(swept.crowds.sum()) / swept.neighbours.shape[1] / len(swept.hosts),
        coverage=_share(swept.crowds > 0),
    )


def _of_blocks(x: Points, y: Points, k: int, k_density: int, strict: bool) -> list[Sweep]:
    """Sweep disjoint blocks; none where they would be too small for k."""
    parts = [(x[real], y[fake]) for real, fake in blocks(len(x), len(y))]
    if any(min(map(len, part)) <= max(k, k_density) for part in parts):
        return []
    return [sweep(*part, k, k_density, strict) for part in parts]


def _share(chosen: Bool[Tensor, " n"]) -> float:
    return float(chosen.sum()) / len(chosen)
