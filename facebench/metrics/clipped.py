"""Clipped Density and Clipped Coverage: density and coverage that read as a share of good samples.

Salvy, Talbot & Thirion 2025 (2507.01761, K = 5), from the paper's formulas. The ball around a real
point xᵢ reaches to its K-th nearest other real point, for the density no farther than the median
of all of these, Rᵢ, so that an outlier's ball is no larger than others':

    density(s) = min(1, #{i: ‖s - xᵢ‖ ≤ Rᵢ} / K)
    clipped density = mean of density(s) over samples / that over the real points, self left out

    clipped coverage = f⁻¹(mean over i of min(1, #{samples nearer to xᵢ than its K-th} / K)) / m

Both are at most 1. f(g) is what that mean is expected to be of g good samples, as if drawn from the
real distribution, among others that are nowhere near. About any real point, the other n - 1 and
the g come in random order, so the number J of samples before the K-th real one is negative
hypergeometric, and f(g) = E min(J, K) / K is exact: whatever the distribution and its dimension.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Shaped
from scipy.special import gammaln, ndtr
from torch import Tensor

from facebench.metrics.arrays import Features
from facebench.metrics.distances import MEMORY, as_points
from facebench.metrics.sweep import Sweep, below, borne_by, sweep
from facebench.metrics.uncertainty import Estimate, from_influence

K = 5
_FEW_FREE = 10
_SATURATED = (
    "so many more images are generated than there are real ones that nearly all neighbourhoods are "
    "full: nothing is known of its noise"
)


class ClippedShares(NamedTuple):
    """What may be a little above 1, before it is clipped."""

    density: float
    coverage: float


class ClippedEstimates(NamedTuple):
    """Both with their uncertainties."""

    density: Estimate
    coverage: Estimate


def clipped_density(real: Features, generated: Features, k: int = K, memory: int = MEMORY) -> float:
    """Return how far the generated images lie where real ones do: 1 as these, 0 nowhere near.

    Args:
        real: features of shape (n, d), n > k.
        generated: features of shape (m, d), m > k.
        k: the neighbour to which a ball reaches.
        memory: bytes that the distances may take at a time.

    Raises:
        BadInput: for too few samples, unequal widths, or values that are not finite.
    """
    return min(1.0, _shares(real, generated, k, memory).density)


def clipped_coverage(
    real: Features, generated: Features, k: int = K, memory: int = MEMORY
) -> float:
    """Return the share of good samples that would cover the real images as well as all of these.

    Arguments and errors are those of `clipped_density`.
    """
    return min(1.0, _shares(real, generated, k, memory).coverage)


def _shares(real: Features, generated: Features, k: int, memory: int) -> ClippedShares:
    return clipped_shares(sweep(*as_points(real, generated, memory, k + 1), k, k, strict=False))


def clipped_shares(swept: Sweep) -> ClippedShares:
    """Return both shares of what a sweep has counted."""
    (n, k), m = swept.neighbours.shape, len(swept.hosts)
    of_samples, own = (
        _filled(hosts, k) for hosts in (swept.clipped.hosts, swept.clipped.own_hosts)
    )
    covered = float(_filled(swept.crowds, k).mean())
    return ClippedShares(float(of_samples.mean() / own.mean()), good_share(covered, n, m, k)[0])


def clipped_estimates(swept: Sweep) -> ClippedEstimates:
    """Return both with their uncertainties, which come from each image's influence."""
    shares = clipped_shares(swept)
    coverage = _at_most_1(from_influence(shares.coverage, *_coverage_influence(swept)))
    return ClippedEstimates(
        _at_most_1(from_influence(shares.density, *_density_influence(swept))),
        Estimate(coverage.value, note=_SATURATED) if _is_saturated(swept) else coverage,
    )


def _is_saturated(swept: Sweep) -> bool:
    """Return whether so many more are generated than real that nearly every ball is full.

    Then a few places that are free by chance decide.
    """
    (n, k), m = swept.neighbours.shape, len(swept.hosts)
    free = n * k * float(1 - _filled(swept.crowds, k).mean())
    return m > 2 * n and free < _FEW_FREE


def _density_influence(swept: Sweep) -> tuple[Float64[Tensor, " n"], Float64[Tensor, " m"]]:
    """Return the influence of each real and of each generated point.

    What a ball adds counts at those samples alone that are in k of them at most, which is known
    when all were seen: its crowd is taken times the share that counts of all balls' crowds.
    """
    clipped, (n, k), m = swept.clipped, swept.neighbours.shape, len(swept.hosts)
    own = _filled(clipped.own_hosts, k).mean()
    counting = clipped.hosts.where(clipped.hosts <= k, 0).sum() / clipped.hosts.sum().clamp(min=1)
    crowds = clipped.crowds * (counting * n / k / m / own)
    lost = crowds.where(~clipped.are_cut, 0)
    return borne_by(swept.neighbours, crowds, lost, swept.repeated), _filled(clipped.hosts, k) / own


def _coverage_influence(swept: Sweep) -> tuple[Float64[Tensor, " n"], Float64[Tensor, " m"]]:
    """Return the influence of each real and of each generated point."""
    (n, k), m = swept.neighbours.shape, len(swept.hosts)
    filled = _filled(swept.crowds, k)
    slope = good_share(float(filled.mean()), n, m, k)[1]
    lost = swept.crowds / k * below(swept.crowds, k)
    of_real = borne_by(swept.neighbours, filled, lost, swept.repeated)
    return slope * of_real, (slope * m / n / k) * swept.clipped.needing


def _at_most_1(estimate: Estimate) -> Estimate:
    """Return an estimate of what is 1 at most, from one of what may be above.

    Models are compared by pseudo-values that scatter less the closer to 1 they are, as the values
    do: times Φ((1 - share)/error), the derivative of the value, averaged over its noise.
    """
    share, value = estimate.value, min(1.0, estimate.value)
    if estimate.groups is None:
        return replace(estimate, value=value)
    deviations = estimate.groups - estimate.groups.mean()
    kept = float(ndtr((1 - share) / estimate.error)) if estimate.error else float(share < 1)
    return Estimate(value, value + kept * deviations, of_interval=value + deviations)


def _filled(counts: Float64[Tensor, " s"], k: int) -> Float64[Tensor, " s"]:
    """Return the share of k that each count reaches."""
    return (counts / k).clamp(max=1)


def good_share(covered: float, n: int, m: int, k: int = K) -> tuple[float, float]:
    """Return f⁻¹(covered) / m, of how many good samples that much is expected, and its slope.

    Linear between whole numbers of samples, and never more than 2.
    """
    expected = np.maximum.accumulate(expected_coverage(np.arange(2 * m + 1), n, k))
    before = min(int(np.searchsorted(expected, covered, "right")) - 1, 2 * m - 1)
    step = float(expected[before + 1] - expected[before])
    if not step:  # all is covered, as far as float64 tells
        return before / m, 0.0
    return min(2.0, (before + (covered - float(expected[before])) / step) / m), 1 / step / m


def expected_coverage(
    good: Shaped[np.ndarray, " g"], n: int, k: int = K
) -> Float64[np.ndarray, " g"]:
    """Return f: the expected mean of min(J, k)/k over n real points, of so many good samples.

    f(g) = 1 - Σ (1 - j/k) P(J = j) over j < k,
    P(J = j) = C(j + k - 1, j) C(n - 1 - k + g - j, g - j) / C(n - 1 + g, g)
    """
    g, j = np.asarray(good, np.float64)[:, None], np.arange(k)
    possible = np.maximum(g - j, 0)
    logs = (
        _log_choose(j + k - 1, j)
        + _log_choose(n - 1 - k + possible, possible)
        - _log_choose(n - 1 + g, g)
    )
    return 1 - (np.where(j <= g, np.exp(logs), 0) * (1 - j / k)).sum(1)


def _log_choose(
    n: Shaped[np.ndarray, "*s"], k: Shaped[np.ndarray, "*s"]
) -> Float64[np.ndarray, "*s"]:
    return gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0)
