"""Which of two models is better: paired tests on the pseudo-values that Results carry.

Pseudo-value *g* of every model stems from the same real images and from the same seeds (see
:mod:`facebench.metrics.uncertainty`), so the differences of two models' pseudo-values scatter about
the difference of their values, without what both owe to the reference: Student's paired t-test
tells whether that is noise.

For a metric that is read against the reference, what is compared is the distance from the
reference's own value, |θ - θ₀|. θ₀ is taken as fixed, and each model's pseudo-values are signed by
the side of θ₀ that the model is on. Where two models lie on either side this errs on the side of
"no difference".
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float64, Int

from facebench.errors import BadInput
from facebench.metrics import t_distribution as student
from facebench.metrics.multiplicity import Correction, holm
from facebench.metrics.table import Better, is_known, metric, order
from facebench.results.result import Protocol, Result, Value

Verdict = Literal["first", "second", "none", "unknown"]

LEVEL = 0.05
"""A difference is called one where its two-sided p-value is below this."""
RESAMPLES = 2000
_ROUNDING = 1e-12  # relative: pseudo-values no further apart are equal


@dataclass(frozen=True)
class Difference:
    """The first model's value less the second's; for "reference", that of their distances to it."""

    value: float
    low: float | None = None
    """Where the 95 % interval begins; None where nothing is known of the uncertainty."""
    high: float | None = None
    p: float | None = None
    """Two-sided p-value; None where nothing is known of the uncertainty."""
    better: Better = "lower"

    @property
    def verdict(self) -> Verdict:
        """Which of the two is better beyond noise."""
        if self.p is None:
            return "unknown"
        if self.p >= LEVEL:
            return "none"
        return "first" if (self.value > 0) == (self.better == "higher") else "second"


def difference(a: Value, b: Value, better: Better = "lower") -> Difference:
    """Return a's value less b's, with its 95 % interval and p-value from the paired t-test.

    Both are unknown where the values have no pseudo-values, or not equally many, and where these
    have no spread although the values differ. Two values that are equal throughout have p = 1.
    """
    (x, of_x), (y, of_y) = _contrast(a, better), _contrast(b, better)
    value = x - y
    if not len(of_x) or len(of_x) != len(of_y):
        return Difference(value, better=better)
    rounding = _ROUNDING * max(np.abs(of_x).max(), np.abs(of_y).max())
    if np.ptp(of_x - of_y) <= rounding:
        if abs(value) > rounding:
            return Difference(value, better=better)
        return Difference(value, value, value, 1.0, better)
    return Difference(value, *student.t_test(of_x - of_y, 1 - LEVEL), better)


def sort_key(value: Value | None, better: Better) -> float:
    """Return a number that is the lower the better, infinite where nothing can be said."""
    if value is None:
        return np.inf
    if better == "reference":
        return np.inf if value.reference is None else abs(value.value - value.reference)
    return value.value if better == "lower" else -value.value


def ranks(
    values: Sequence[Value | None], better: Better, correction: Correction = "none"
) -> list[int]:
    """Return each model's rank: 1 + the number of models that are better beyond noise.

    Models that cannot be told apart share a rank, and those without a value come last. Each pair
    is tested at 5 % on its own unless a `correction` is asked for: among m equal models some pair
    is called different more often than that, up to m (m - 1)/2 times as often.
    """
    return [int(rank) for rank in 1 + beats(values, better, correction).sum(0)]


def beats(
    values: Sequence[Value | None], better: Better, correction: Correction = "none"
) -> Bool[np.ndarray, "n n"]:
    """Say of each of `values`, by rows, whether it is better than each, by columns, beyond noise.

    By the values alone where they have not equally many pseudo-values. It is what `difference` says
    of two, of all pairs at once: one by one, the tests of 200 models take half a minute. In Holm's
    `correction` all pairs that are tested are one family.
    """
    keys = np.array([sort_key(value, better) for value in values])
    contrasts = [(np.inf, np.empty(0)) if v is None else _contrast(v, better) for v in values]
    sizes = np.array([len(groups) for _, groups in contrasts])
    found = keys[:, None] < keys
    tested, p = np.zeros(found.shape, bool), np.ones(found.shape)
    for size in {*sizes[sizes > 0].tolist()}:
        alike = np.flatnonzero(sizes == size)
        pairs = np.ix_(alike, alike)
        points = np.array([contrasts[i][0] for i in alike])
        found[pairs] = (points[:, None] > points) == (better == "higher")
        tested[pairs] = True
        p[pairs] = _p_of_pairs(np.array([contrasts[i][1] for i in alike]))
    if correction == "holm":
        each_once = np.triu(tested, 1)
        p[each_once] = holm(p[each_once])
        p.T[each_once] = p[each_once]
    return found & (~tested | (p < LEVEL))


def rank_intervals(
    values: Sequence[Value | None], better: Better, seed: int = 0
) -> list[tuple[int, int] | None]:
    """Return between which places each model stands in 95 % of resamples of the groups.

    A resample draws the same groups for every model, and ranks their mean pseudo-values. Unknown
    (None) for all models unless each that has a value has equally many pseudo-values.
    """
    known = [i for i, value in enumerate(values) if sort_key(value, better) < np.inf]
    contrasts = [_contrast(value, better) for i in known if (value := values[i])]
    sizes = {len(groups) for _, groups in contrasts}
    found: list[tuple[int, int] | None] = [None] * len(values)
    if len(known) < 2 or len(sizes) != 1 or not min(sizes):
        return found
    points = np.array([point for point, _ in contrasts])
    groups = np.array([groups for _, groups in contrasts])
    places = _places(points, groups, better, seed)
    bounds = np.percentile(places, [2.5, 97.5], axis=0, method="inverted_cdf")
    for i, (low, high) in zip(known, bounds.T, strict=True):
        found[i] = (int(low), int(high))
    return found


def compare(a: Result, b: Result, *, force: bool = False) -> dict[str, Difference]:
    """Return the difference of two models for every metric that both have, in the table's order.

    Args:
        a: the first model.
        b: the second; where its protocol is not that of `a`, nothing can be said of noise.
        force: whether to compare values of unlike protocols all the same, without a verdict.

    Raises:
        BadInput: for unlike protocols without `force`, and where the two have no metric in common.
    """
    unlike = unlike_settings(a.protocol, b.protocol)
    if unlike and not force:
        raise BadInput(
            f"{a.model} and {b.model} were measured under unlike protocols ({unlike}): "
            "evaluate both alike, or see the values side by side with --force."
        )
    common = sorted((key for key in a.metrics if _comparable(key, a, b)), key=order)
    if not common:
        raise BadInput(f"{a.model} and {b.model} have no metric in common: evaluate both alike.")
    return {key: _difference_of(key, a, b, judged=not unlike) for key in common}


def differing_settings(*protocols: Protocol) -> list[str]:
    """Return the fields in which `protocols` are not all alike."""
    records = [asdict(protocol) for protocol in protocols]
    return [name for name in records[0] if any(one[name] != records[0][name] for one in records)]


def unlike_settings(one: Protocol, other: Protocol) -> str:
    """Return the settings in which two protocols differ, each with both values; empty if none."""
    return ", ".join(_setting(one, other, name) for name in differing_settings(one, other))


def lpips_weights(result: Result) -> str:
    """Return the digest of the network that LPIPS was computed with; empty where not recorded."""
    return next((d for k, d in result.environment.items() if k.startswith("weights alexnet")), "")


def _contrast(value: Value, better: Better) -> tuple[float, Float64[np.ndarray, " groups"]]:
    """Return the number to compare, and its pseudo-values."""
    groups = np.asarray(value.groups, np.float64)
    if better != "reference":
        return value.value, groups
    if value.reference is None:
        return np.inf, groups[:0]
    sign = 1.0 if value.value >= value.reference else -1.0
    return sign * (value.value - value.reference), sign * (groups - value.reference)


def _p_of_pairs(
    groups: Float64[np.ndarray, "models groups"],
) -> Float64[np.ndarray, "models models"]:
    """Return the p-value that `difference` gives two, of all pairs; 1 where nothing scatters."""
    apart = groups[:, None] - groups
    largest = np.abs(groups).max(1)
    spread = np.ptp(apart, 2) > _ROUNDING * np.maximum(largest[:, None], largest)
    errors = np.where(spread, student.standard_error(apart), np.inf)
    return student.p_value(apart.mean(2) / errors, groups.shape[1])


def _places(
    values: Float64[np.ndarray, " models"],
    groups: Float64[np.ndarray, "models groups"],
    better: Better,
    seed: int,
) -> Int[np.ndarray, "resamples models"]:
    """Return the place of each model in each resample; equal models share the better one."""
    size = groups.shape[1]
    weights = np.random.default_rng(seed).multinomial(size, [1 / size] * size, RESAMPLES) / size
    scores = values + weights @ (groups - groups.mean(1, keepdims=True)).T
    scores = {"lower": scores, "higher": -scores, "reference": np.abs(scores)}[better]
    rounding = _ROUNDING * np.abs(scores).max()
    return np.stack([1 + np.sort(row).searchsorted(row - rounding) for row in scores])


def _comparable(key: str, a: Result, b: Result) -> bool:
    if not is_known(key):
        return False
    better = metric(key).better
    return all(np.isfinite(sort_key(each.metrics.get(key), better)) for each in (a, b))


def _difference_of(key: str, a: Result, b: Result, judged: bool) -> Difference:
    row = metric(key)
    if row.is_of_lpips and lpips_weights(a) != lpips_weights(b):
        judged = False
    x, y = (one.metrics[key] if judged else replace(one.metrics[key], groups=()) for one in (a, b))
    return difference(x, y, row.better)


def _setting(one: Protocol, other: Protocol, name: str) -> str:
    then, now = (_short(getattr(each, name)) for each in (one, other))
    return f"{name} {then} and {now}"


def _short(value: object) -> str:
    """Return `value` with digests cut to 12 characters."""
    if isinstance(value, dict):
        return " ".join(f"{key}:{digest[:12]}" for key, digest in sorted(value.items())) or "none"
    text = str(value) or "none"
    return text[:12] if len(text) == 64 else text
