"""Was a value reproduced? Two draws of one model against the same real images, metric by metric.

The values of two sets of seeds, scored against the same real images, are exchangeable if both are
one model's. So the differences of their pseudo-values (:mod:`facebench.metrics.uncertainty`)
scatter about 0, without what both owe to the real images, and Student's t gives the interval in
which a submitted value must lie.

**Several metrics** of the same images fail together, so each is tested at a level of its own, by
which an honest row fails in `LEVEL` of cases as a whole: the smallest p-value over its metric's
weight is compared with what it is under chance (Westfall & Young 1993, single step), drawn from
the pseudo-values' own differences with random multipliers (Chernozhukov, Chetverikov & Kato 2013),
so that metrics which say the same are not paid for twice, as they are by Holm's correction. The
metric that ranks weighs as much as all others together.

**Seeds that were picked** only ever make a value better. The difference of the best of k draws and
one fresh draw has a likelihood ratio that grows with it, so a test of that side catches most
(Neyman & Pearson 1933): four fifths of the level are spent there. A value that is too bad is not
reproduced either. Where the best value is the reference's own, both sides of it count alike.

**What is submitted may be forged**, its pseudo-values as well: stating more noise than there is
would widen the interval. So it is a quarter wider at most than the redrawn noise alone makes it;
and pseudo-values that do not scatter about their value are refused. How much they scatter is not
tested: of a squared distance that is the more the larger it came out, in all groups alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64
from scipy.special import ndtr

from facebench.metrics import t_distribution as student
from facebench.metrics.table import Better, metric, order
from facebench.results.result import Value
from facebench.results.verdict import Outcome

LEVEL = 0.05
"""The share of honest rows that are not called reproduced."""
RANKING = 0.5
"""The weight of the metric that ranks, where there are others."""
TOO_GOOD = 0.8
"""The share of a metric's level that is spent on values that are too good."""
WIDEST = 1.25
"""How many times as wide as the redrawn noise alone makes it an interval may be."""
ROUNDING = 0.1
"""Standard errors of the difference: what is the same but for rounding is no further apart."""
_OF_AS_MANY = "identity_diversity"
"""Whose real images' own value is of as many faces as were found in the model's."""
_RELATIVE = 1e-12
_DRAWS = 20_000


@dataclass(frozen=True)
class Judgement:
    """What is said of one metric."""

    outcome: Outcome
    low: float | None = None
    """Where the interval begins in which the submitted value must lie; None where not judged."""
    high: float | None = None
    p: float | None = None
    """The share of honest rows, with as many metrics, of which some value would be as far off."""
    why: str = ""
    """In words, where it is not reproduced or not judged."""


@dataclass(frozen=True)
class _Contrast:
    """A submitted value less the redrawn one."""

    difference: float
    error: float
    apart: Float64[np.ndarray, " groups"]
    """Pseudo-value by pseudo-value."""
    good: float
    """The share of the level that is spent on the side below 0."""

    @property
    def p(self) -> float:
        """The p-value: of either side's, over its share, the smaller."""
        t = self.difference / self.error
        below, above = (student.upper_tail(each, len(self.apart)) for each in (-t, t))
        return min(below / self.good, above / (1 - self.good))

    def reach(self, level: float) -> tuple[float, float]:
        """Return how far below and above the redrawn value the submitted one may lie."""
        tails = 1 - level * np.array([self.good, 1 - self.good])
        below, above = (student.quantile(tail, len(self.apart)) * self.error for tail in tails)
        return below, above


def ranking(keys: Sequence[str], network: str) -> str:
    """Return which of `keys` boards are ordered by; `network` is the first extractor's name.

    >>> ranking(["kid", "precision", "fid"], "inception"), ranking(["recall", "kid"], "inception")
    ('fid', 'kid')
    """
    others = [key for key in keys if not metric(key).is_of_faces]
    return min(
        others or keys,
        key=lambda key: (order(key)[0], metric(key).named(network) != key, order(key)),
    )


def judge(
    submitted: Mapping[str, Value], redrawn: Mapping[str, Value], first: str
) -> dict[str, Judgement]:
    """Say of each submitted value whether it is reproduced.

    Args:
        submitted: a row's values, by their metrics.
        redrawn: those of as many images of other seeds, against the same real images.
        first: the metric that ranks.
    """
    found: dict[str, Judgement] = {}
    contrasts: dict[str, _Contrast] = {}
    for key in sorted(submitted, key=order):
        if key not in redrawn:
            found[key] = Judgement("not judged", why="it was not computed again")
            continue
        each = _contrast(submitted[key], redrawn[key], metric(key).better)
        if isinstance(each, Judgement):
            found[key] = each
        else:
            contrasts[key] = each
    weights = _weights(list(contrasts), first)
    chance = np.sort(_least(list(contrasts.values()), list(weights.values())))
    for key, contrast in contrasts.items():
        pair = _with_fixed_reals(key, submitted[key]), redrawn[key]
        found[key] = _judged(*pair, contrast, weights[key], chance)
    return {key: found[key] for key in sorted(submitted, key=order)}


def _contrast(submitted: Value, redrawn: Value, better: Better) -> _Contrast | Judgement:
    """Return the difference, or what is said where it has no noise to be judged by."""
    x, y = (np.asarray(each.groups, np.float64) for each in (submitted, redrawn))
    difference = submitted.value - redrawn.value
    if not len(x) or len(x) != len(y):
        return Judgement("not judged", why="nothing is known of its noise")
    rounding = _RELATIVE * max(np.abs(x).max(), np.abs(y).max())
    error, alone = student.standard_error(x - y), student.standard_error(y)
    if error <= rounding:  # it scatters nowhere: all images count as one
        value, is_same = redrawn.value, abs(difference) <= rounding
        is_better = (difference > 0) == (better == "higher")
        outcome: Outcome = "reproduced" if is_same else "too good" if is_better else "too bad"
        return Judgement(outcome, value, value, float(is_same), "" if is_same else _NO_NOISE)
    if alone > rounding:
        error = min(error, WIDEST * 2**0.5 * alone)
    good = {"lower": TOO_GOOD, "higher": 1 - TOO_GOOD, "reference": 0.5}[better]
    return _Contrast(difference, float(error), x - y, good)


_NO_NOISE = "it differs, and its pseudo-values do not scatter at all"


def _weights(keys: Sequence[str], first: str) -> dict[str, float]:
    """Return how the level is shared out: they sum to 1."""
    if first not in keys or len(keys) == 1:
        return dict.fromkeys(keys, 1 / max(len(keys), 1))
    return dict.fromkeys(keys, (1 - RANKING) / (len(keys) - 1)) | {first: RANKING}


def _least(
    contrasts: Sequence[_Contrast], weights: Sequence[float], seed: int = 0
) -> Float64[np.ndarray, " draws"]:
    """Return draws of the smallest p-value over its weight, for a row that is honest.

    Each image has a standard normal multiplier, the same for all metrics, and so has each group,
    of its images' sum: metrics go together as their differences do, however many groups they have.
    """
    if not contrasts:
        return np.ones(1)
    counts = sorted({len(each.apart) for each in contrasts})
    ends = np.unique(np.concatenate([np.arange(1, n + 1) / n for n in counts]))
    lengths = np.diff(ends, prepend=0.0)
    noise = np.random.default_rng(seed).standard_normal((_DRAWS, len(ends))) * np.sqrt(lengths)
    of_groups = {n: np.add.reduceat(noise, _starts(ends, n), 1) for n in counts}
    least = np.full(_DRAWS, np.inf)
    for each, weight in zip(contrasts, weights, strict=True):
        centred = each.apart - each.apart.mean()
        n = len(centred)
        z = of_groups[n] @ centred * (n**0.5 / np.linalg.norm(centred))
        p = np.minimum(ndtr(z) / each.good, ndtr(-z) / (1 - each.good))
        np.minimum(least, p / weight, out=least)
    return least


def _starts(ends: Float64[np.ndarray, " cells"], count: int) -> np.ndarray:
    """Return which of the parts that end at `ends` each of `count` equal groups begins with."""
    return np.searchsorted(ends, np.arange(count) / count + 1e-9)


def _with_fixed_reals(key: str, value: Value) -> Value:
    """Return the value without what of the real images depends on the model's."""
    return replace(value, reference=None) if key == _OF_AS_MANY else value


def _judged(
    submitted: Value,
    redrawn: Value,
    contrast: _Contrast,
    weight: float,
    chance: Float64[np.ndarray, " draws"],
) -> Judgement:
    level = min(float(np.quantile(chance, LEVEL)) * weight, 1.0)
    below, above = contrast.reach(level)
    low, high = redrawn.value - below, redrawn.value + above
    p = float(np.searchsorted(chance, contrast.p / weight, "right") / len(chance))
    if why := _altered(submitted, redrawn, contrast.error):
        return Judgement("altered", low, high, p, why)
    if low <= submitted.value <= high:
        return Judgement("reproduced", low, high, p)
    is_low = submitted.value < low
    is_good = (
        is_low == (contrast.good > 0.5) if contrast.good != 0.5 else _is_closer(submitted, redrawn)
    )
    return Judgement("too good" if is_good else "too bad", low, high, p, _OUTSIDE)


_OUTSIDE = "it lies outside what noise explains"


def _is_closer(submitted: Value, redrawn: Value) -> bool:
    """Say which of two values is closer to the reference's own."""
    own = redrawn.reference or 0.0
    return abs(submitted.value - own) < abs(redrawn.value - own)


def _altered(submitted: Value, redrawn: Value, error: float) -> str:
    """Say in what a record contradicts itself, or the real images; empty: in nothing."""
    middle = float(np.mean(submitted.groups))
    if abs(middle - submitted.value) > ROUNDING * error:
        return f"its pseudo-values are about {middle:.4g}"
    for name, said in (("reference", "the real images' own value"), ("floor", "the noise floor")):
        then, now = getattr(submitted, name), getattr(redrawn, name)
        if then is not None and now is not None and abs(then - now) > ROUNDING * error:
            return f"{said} is {now:.4g} here, and {then:.4g} there"
    return ""
