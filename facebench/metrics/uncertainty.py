"""How sure a value is: standard error and 95 % interval, from pseudo-values of groups of images.

A value θ is carried by some tens of *pseudo-values* (Tukey 1958), one per group of consecutive
images: numbers that scatter about θ as independent values would, so that

    standard error = standard deviation of the pseudo-values / √groups

and Student's t gives the interval. Group *g* always means the same real images, and generated ones
of the same seeds, so the difference of two models is judged by the differences of their
pseudo-values, group by group: what both owe to the reference cancels.

Where they come from depends on the statistic, because no one way is right for all of them
(`tests/bench` has the simulations):

- *smooth* statistics (Fréchet, kernel, Vendi, LPIPS diversity): from each image's influence, the
  infinitesimal jackknife (Jaeckel 1972; Efron 1982), one pass instead of one per group. What pairs
  of images add to the noise is in the influence of both; :func:`pairs_counted_once` mends that;
- *neighbourhoods* (precision, recall, coverage): from the statistic of disjoint blocks (Politis &
  Romano 1994); a jackknife would count each neighbour's share again, a bootstrap's duplicates are
  neighbours at distance 0;
- *means* over images or splits: from the groups' own means;
- *means over sources*, of image to image: the sources' own values.

Groups are consecutive, not drawn, so that images that belong together (one person's, say) are not
taken for independent ones.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float64, Int, Shaped
from torch import Tensor

from facebench.metrics import t_distribution as student

GROUPS = 32
"""Pseudo-values of a smooth statistic, where there are images enough."""
BLOCKS = 10
"""Disjoint blocks of a neighbourhood statistic: more would be too small to be like the whole."""
_SMALLEST_BLOCK = 10  # images: fewer have no neighbourhoods to speak of
_FEWEST = 5  # groups that still tell a spread
SOURCES = 1000
"""Sources of which each has a pseudo-value of its own; more are grouped, for a Result holds all."""

PseudoValues = Float64[np.ndarray, " groups"]


@dataclass(frozen=True, eq=False)
class Estimate:
    """A value and its pseudo-values; None where there are too few images for any."""

    value: float
    groups: PseudoValues | None = None
    reference: float | None = None
    """The same statistic of the real images, for metrics that are read against it."""
    curve: tuple[tuple[int, float], ...] = ()
    """For an extrapolated value: numbers of generated images, and the statistic of as many."""
    classes: Mapping[str, float] = field(default_factory=dict)
    """The statistic within each class, or subgroup."""
    note: str = ""
    """What must be said beside the value: which classes it leaves out, say."""
    details: Mapping[str, float | str] = field(default_factory=dict)
    """Numbers and words that the value is read with, by name."""
    floor: float | None = None
    """What real images score, where that is so by construction."""
    differs: bool | None = None
    """Whether it differs from what real images score beyond noise, at 5 %; None: not tested."""
    of_interval: PseudoValues | None = None
    """Those of its own error and interval, where all models' values share a noise that `groups`,
    by which differences are judged, are without."""
    bounds: tuple[float, float] | None = None
    """The ends of its 95 % interval where pseudo-values give none that holds: of a share near 0."""
    raised: float = 0.0
    """By how much the interval that reaches t standard errors to either side lies higher, over t²:
    for a squared distance, which scatters the more the larger it is."""

    @property
    def error(self) -> float | None:
        """The standard error."""
        groups = self.groups if self.of_interval is None else self.of_interval
        return None if groups is None else float(student.standard_error(groups))

    def interval(
        self, valid: tuple[float, float] = (-np.inf, np.inf), level: float = 0.95
    ) -> tuple[float, float] | None:
        """Return the confidence interval, cut to the range of `valid` values.

        Of an estimate with `bounds` it is these, whatever the level.
        """
        if self.bounds is not None:
            low, high = np.clip(self.bounds, *valid)
            return float(low), float(high)
        if self.groups is None or self.error is None:
            return None
        errors = student.quantile((1 + level) / 2, len(self.groups))
        reach = self.error * errors
        middle = self.value + min(self.raised * errors**2, reach)
        low, high = np.clip((middle - reach, middle + reach), *valid)
        return float(low), float(high)

    def beside(self, reference: float) -> "Estimate":
        """Return the same estimate with the real images' own value."""
        return replace(self, reference=reference)


def from_influence(value: float, *influences: Shaped[np.ndarray | Tensor, " _"]) -> Estimate:
    """Return the estimate of a smooth statistic θ from the influence I of every image.

    With G groups, the pseudo-value of group g is  θ + G/n Σ (Iᵢ - mean(I)) over its images i,
    summed over the sets.

    Args:
        value: the statistic.
        influences: one array per set of images: n times the derivative of the statistic by the
            weight of each of its n images. Constants are removed here.
    """
    sums = [np.asarray(i.cpu() if isinstance(i, Tensor) else i, np.float64) for i in influences]
    return from_sums(value, *((each, np.ones(len(each))) for each in sums))


def from_squared_distance(
    value: float,
    influences: Sequence[Float64[Tensor, " _"]],
    of_pairs: Sequence[Float64[Tensor, ""]],
    square: float,
) -> Estimate:
    """Return the estimate of a squared distance of sets, which is not linear near its least value.

    The root of a square scatters alike wherever it lies. So the interval is that of the root, as
    the δ-method has it: of the same length about the value, and raised.

    Args:
        value: the distance.
        influences: of each set, as in `from_influence`.
        of_pairs: as in `pairs_counted_once`, for each set.
        square: the distance with the bias that a square of what is drawn has: never below 0.
    """
    once = map(pairs_counted_once, influences, of_pairs)
    return replace(from_influence(value, *once), raised=raised(square, influences))


def raised(square: float, influences: Sequence[Float64[Tensor, " _"]]) -> float:
    """Return by how much the interval of a squared distance is raised, see `Estimate.raised`."""
    variance = sum(float(each.var(correction=0)) / len(each) for each in influences)
    return variance / (4 * square) if square > 0 else 0.0


def pairs_counted_once(
    influence: Float64[Tensor, " n"], of_pairs: Float64[Tensor, ""]
) -> Float64[Tensor, " n"]:
    """Return a set's influence, centred and shrunk to the noise that it should tell of.

    To second order a statistic is a sum over images and one over pairs of them. A pair's part is in
    the influence of each of its two images, so a jackknife counts the variance of the second sum
    twice (Efron & Stein 1981). Where a distance is least there is no other, and the error would be
    √2 times too large.

    Args:
        influence: n times the derivative of the statistic by the weight of each image.
        of_pairs: that part of the influence's mean square which pairs make.
    """
    centred = influence - influence.mean()
    square = centred.square().mean().clamp(min=torch.finfo(centred.dtype).tiny)
    return centred * (1 - of_pairs / (2 * square)).clamp(0.5, 1).sqrt()


def from_sums(
    value: float, *sets: tuple[Float64[np.ndarray, " _"], Shaped[np.ndarray, " _"]]
) -> Estimate:
    """Return the estimate of a smooth statistic of which only sums of influence are known.

    Args:
        value: the statistic.
        sets: per set of images, the influence summed over each of some rows of consecutive images,
            and how many images each row holds.
    """
    groups = min(GROUPS, *(math.ceil(counts.sum() / counts.max()) for _, counts in sets))
    if groups < _FEWEST:
        return Estimate(value)
    return Estimate(value, value + np.sum([_deviations(*each, groups) for each in sets], 0))


def from_splits(values: Sequence[float] | np.ndarray) -> Estimate:
    """Return the estimate of a mean over splits that share no image."""
    splits = np.asarray(values, np.float64)
    return Estimate(float(splits.mean()), splits if len(splits) >= _FEWEST else None)


def from_sources(values: Float64[np.ndarray, " n"]) -> Estimate:
    """Return the estimate of a mean over sources, each of which has a value of its own.

    The pseudo-values are these: two models' differ source by source. Of more than `SOURCES` they
    are the means of as many groups of consecutive ones.
    """
    value = float(values.mean())
    if len(values) <= SOURCES:
        return Estimate(value, values if len(values) >= _FEWEST else None)
    return Estimate(value, value + _deviations(values, np.ones(len(values)), SOURCES))


def blocks(*counts: int) -> list[tuple[slice, ...]]:
    """Return disjoint blocks of sets of `counts` images; none where there are too few images.

    >>> blocks(50, 100)[1]
    (slice(10, 20, None), slice(20, 40, None))
    """
    number = min(BLOCKS, min(counts) // _SMALLEST_BLOCK)
    if number < _FEWEST:
        return []
    bounds = [[i * count // number for i in range(number + 1)] for count in counts]
    return [tuple(slice(b[i], b[i + 1]) for b in bounds) for i in range(number)]


def from_blocks(
    value: float, of_blocks: Sequence[float] | np.ndarray, rate: float = 1.0
) -> Estimate:
    """Return the estimate of a statistic θ from that of its B disjoint `blocks`, θ₁ … θ_B.

    The pseudo-value of block b is  θ + (θ_b - mean of all θ_b) B^((1 - rate)/2).  The blocks' own
    mean may lie elsewhere than θ, for the statistic may depend on n: only their spread is used.

    Args:
        value: the statistic of all images.
        of_blocks: that of each block.
        rate: the power of 1/n by which its variance falls from a block's to the whole's.
    """
    found = np.asarray(of_blocks, np.float64)
    if not len(found):
        return Estimate(value)
    return Estimate(value, value + (found - found.mean()) * len(found) ** ((1 - rate) / 2))


def _deviations(
    sums: Float64[np.ndarray, " rows"], counts: Shaped[np.ndarray, " rows"], groups: int
) -> PseudoValues:
    """Return G/n Σ (I - mean(I)) of each group: what it adds, as if it were all of the set."""
    total = counts.sum()
    centred = sums - counts * (sums.sum() / total)
    parts = np.split(centred, _bounds(counts, groups))
    return np.array([part.sum() for part in parts]) * (len(parts) / total)


def _bounds(counts: Shaped[np.ndarray, " rows"], groups: int) -> Int[np.ndarray, " _"]:
    """Return the first row of each group but the first: about as many images are in each.

    Rows that are larger than a group leave fewer.

    >>> _bounds(np.array([1, 1, 1, 1, 1, 1, 1]), 3), _bounds(np.array([1, 1, 1, 1, 2, 3]), 3)
    (array([3, 5]), array([3, 5]))
    >>> _bounds(np.array([1, 128, 128]), 3)
    array([2])
    """
    size, larger = divmod(int(counts.sum()), groups)
    numbers = np.arange(1, groups)
    bounds = np.searchsorted(counts.cumsum() - counts, numbers * size + np.minimum(numbers, larger))
    return np.unique(bounds[bounds < len(counts)])
