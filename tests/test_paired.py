import math
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from scipy import stats

from facebench.errors import BadInput
from facebench.metrics.multiplicity import Correction, holm
from facebench.metrics.paired import (
    beats,
    compare,
    difference,
    rank_intervals,
    ranks,
    sort_key,
)
from facebench.metrics.table import Better
from facebench.results.result import Protocol, Result, Value

GROUPS = 32
PROTOCOL = Protocol(
    *("faces64", "ab" * 32, "holdout", "140", 64, "lanczos", "inception"),
    *({"inception": "a" * 64}, "float32", 1000, 1000),
)


def value(*groups: float, reference: float | None = None) -> Value:
    return Value(float(np.mean(groups)), reference=reference, groups=groups)


def drawn(rng: np.random.Generator, models: int, spread: float = 1.0) -> list[Value]:
    """Equal models, whose pseudo-values share what they owe to the reference."""
    shared = rng.normal(10, 3, GROUPS)
    return [value(*(shared + rng.normal(0, spread, GROUPS)).tolist()) for _ in range(models)]


def result(model: str, protocol: Protocol = PROTOCOL, alexnet: str = "x", /, **m: Value) -> Result:
    made = Result(model, "images", "runs/a", "cd" * 32, 0, protocol, m)
    return replace(made, environment={"weights alexnet": alexnet})


def test_the_test_is_the_paired_t_test() -> None:
    x, y = drawn(np.random.default_rng(0), 2)
    found = difference(x, y)
    shifts = np.subtract(x.groups, y.groups)
    reach = stats.t.ppf(0.975, GROUPS - 1) * shifts.std(ddof=1) / math.sqrt(GROUPS)
    assert found.value == pytest.approx(shifts.mean())
    assert (found.low, found.high) == pytest.approx((shifts.mean() - reach, shifts.mean() + reach))
    assert found.p == pytest.approx(stats.ttest_1samp(shifts, 0).pvalue)


def test_equal_models_are_called_different_in_five_per_cent() -> None:
    rng = np.random.default_rng(1)
    pairs = [drawn(rng, 2) for _ in range(2000)]
    found = [difference(a, b).p for a, b in pairs]
    assert 0.03 < np.mean([p is not None and p < 0.05 for p in found]) < 0.07


def test_equal_models_beside_the_reference_are_called_different_no_more_often() -> None:
    rng = np.random.default_rng(2)
    pairs = [
        [replace(each, reference=10.5) for each in drawn(rng, 2)] for _ in range(1000)
    ]  # its own noise puts some on either side
    assert np.mean([beats(pair, "reference").any() for pair in pairs]) < 0.07


def test_what_models_share_does_not_hide_their_difference() -> None:
    shared = np.random.default_rng(3).normal(0, 100, GROUPS)
    noise = np.random.default_rng(4).normal(0, 0.1, (2, GROUPS))
    a, b = (
        value(*(shared + level + each).tolist()) for level, each in zip((1, 2), noise, strict=True)
    )
    assert difference(a, b).verdict == "first"


def test_a_model_equals_itself() -> None:
    [x] = drawn(np.random.default_rng(5), 1)
    found = difference(x, x)
    assert (found.value, found.low, found.high, found.p) == (0, 0, 0, 1)


@pytest.mark.parametrize(
    "other",
    [Value(2.0), value(1.0, 2.0, 3.0), value(2.0, 3.0, 4.0, 5.0)],
    ids=["none", "fewer", "without spread"],
)
def test_where_noise_is_unknown_nothing_is_said_of_it(other: Value) -> None:
    found = difference(value(1.0, 2.0, 3.0, 4.0), other)
    assert (found.low, found.high, found.p, found.verdict) == (None, None, None, "unknown")
    assert found.value == pytest.approx(2.5 - other.value)


@pytest.mark.parametrize(
    ("better", "first", "second"),
    [("lower", 1.0, 2.0), ("higher", 2.0, 1.0), ("reference", 3.1, 2.0), ("reference", 2.9, 4.0)],
)
def test_the_verdict_follows_the_direction(better: Better, first: float, second: float) -> None:
    noise = np.random.default_rng(6).normal(0, 0.1, (2, GROUPS))
    noise -= noise.mean(1, keepdims=True)
    a, b = (
        value(*(level + each).tolist(), reference=3.0)
        for level, each in zip((first, second), noise, strict=True)
    )
    assert difference(a, b, better).verdict == "first"
    assert difference(b, a, better).verdict == "second"
    assert beats([a, b], better).tolist() == [[False, True], [False, False]]


def test_beside_the_reference_distances_from_it_are_compared() -> None:
    a, b = value(2.0, 2.2, 2.1, 1.9, reference=3.0), value(3.4, 3.5, 3.7, 3.6, reference=3.0)
    found = difference(a, b, "reference")
    assert found.value == pytest.approx(0.95 - 0.55)
    assert sort_key(Value(1.0), "reference") == math.inf


def test_ranks_count_the_models_that_are_better_beyond_noise() -> None:
    noise = np.random.default_rng(7).normal(0, 0.5, (4, GROUPS))
    noise -= noise.mean(1, keepdims=True)
    values = [
        value(*(level + each).tolist())
        for level, each in zip((10.0, 5.0, 5.1, 20.0), noise, strict=True)
    ]
    assert ranks(values, "lower") == [3, 1, 1, 4]
    assert ranks([*values, None], "higher") == [2, 3, 3, 1, 5]


def test_without_pseudo_values_the_values_rank() -> None:
    values = [Value(2.0), Value(1.0), Value(2.0), None]
    assert ranks(values, "lower") == [2, 1, 2, 4]
    assert rank_intervals(values, "lower") == [None] * 4


def test_rank_intervals_are_wide_for_equal_models_and_narrow_for_others() -> None:
    equal = drawn(np.random.default_rng(8), 3)
    far = value(*(np.array(equal[0].groups) + 50).tolist())
    found = rank_intervals([*equal, far, None], "lower")
    assert found[3:] == [(4, 4), None]
    assert found == rank_intervals([*equal, far, None], "lower")
    assert all(interval and interval[0] < interval[1] <= 3 for interval in found[:3])


def test_identical_models_share_the_first_place_in_every_resample() -> None:
    [x] = drawn(np.random.default_rng(9), 1)
    assert rank_intervals([x, x], "lower") == [(1, 1), (1, 1)]


def test_rank_intervals_agree_with_a_slow_bootstrap() -> None:
    values = drawn(np.random.default_rng(10), 3)
    rng = np.random.default_rng(11)
    groups = np.array([each.groups for each in values])
    places = []
    for _ in range(2000):
        means = groups[:, rng.integers(0, GROUPS, GROUPS)].mean(1)
        places.append(stats.rankdata(means, "min"))
    low, high = np.percentile(places, [2.5, 97.5], axis=0, method="inverted_cdf")
    assert rank_intervals(values, "lower") == [*zip(low.astype(int), high.astype(int), strict=True)]


def test_compare_judges_every_metric_that_both_have() -> None:
    x, y = drawn(np.random.default_rng(12), 2)
    a = result("a", recall=x, fid=x, kid=x)
    b = result("b", fid=y, recall=y, precision=y)
    found = compare(a, b)
    assert list(found) == ["fid", "recall"]
    assert found["recall"] == difference(x, y, "higher")


def test_compare_refuses_unlike_protocols_unless_forced() -> None:
    x, y = drawn(np.random.default_rng(13), 2)
    other = replace(PROTOCOL, crop="108", weights={"inception": "b" * 64})
    a, b = result("a", fid=x), result("b", other, fid=y)
    says = r"crop 140 and 108, weights inception:a{12} and inception:b{12}.*--force"
    with pytest.raises(BadInput, match=says):
        compare(a, b)
    forced = compare(a, b, force=True)["fid"]
    assert (forced.value, forced.p) == (x.value - y.value, None)


def test_compare_does_not_judge_lpips_of_unlike_networks() -> None:
    x, y = (replace(each, reference=9.0) for each in drawn(np.random.default_rng(14), 2))
    a = result("a", PROTOCOL, "x", lpips_diversity=x)
    b = result("b", PROTOCOL, "y", lpips_diversity=y)
    assert compare(a, b)["lpips_diversity"].verdict == "unknown"
    assert compare(a, replace(b, environment=a.environment))["lpips_diversity"].p is not None


def test_compare_needs_a_metric_in_common() -> None:
    with pytest.raises(BadInput, match="no metric in common"):
        compare(result("a", fid=Value(1.0)), result("b", recall=Value(1.0)))


def test_beats_says_of_all_pairs_what_difference_says_of_two() -> None:
    rng = np.random.default_rng(15)
    for better in get_args(Better):
        levels = rng.choice([10.0, 10.4], 8)
        values = [
            replace(value(*rng.normal(level, 1, GROUPS).tolist()), reference=9.0)
            for level in levels
        ]
        found = beats([*values, values[0]], better)
        for i, a in enumerate(values):
            for j, b in enumerate([*values, values[0]]):
                assert found[i, j] == (difference(a, b, better).verdict == "first")


def test_holm_adjusts_as_by_hand() -> None:
    rng = np.random.default_rng(16)
    for count in (0, 1, 2, 45):
        p = rng.random(count) ** 4
        by_hand, largest = np.empty(count), 0.0
        for rank, i in enumerate(sorted(range(count), key=lambda i: p[i])):
            largest = max(largest, min(1.0, (count - rank) * p[i]))
            by_hand[i] = largest
        assert holm(p) == pytest.approx(by_hand)


def test_ten_equal_models_are_ranked_apart_by_chance_unless_corrected() -> None:
    rng = np.random.default_rng(17)
    boards = [drawn(rng, 10) for _ in range(1000)]
    plain, corrected = (
        np.mean([beats(each, "lower", correction).any() for each in boards])
        for correction in get_args(Correction)
    )
    assert plain > 0.4  # some pair of 45
    assert corrected < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 1000)


def test_a_correction_costs_little_where_models_differ() -> None:
    shifts = np.arange(4)[:, None] * 5.0
    groups = np.random.default_rng(18).normal(0, 1, (4, GROUPS)) + shifts
    values = [value(*each.tolist()) for each in groups]
    assert ranks(values, "lower", "holm") == ranks(values, "lower") == [1, 2, 3, 4]


def test_values_without_noise_take_no_part_in_the_correction() -> None:
    noise = np.random.default_rng(19).normal(0, 1, (2, GROUPS))
    noise -= noise.mean(1, keepdims=True)
    x, y = (value(*(m + each).tolist()) for m, each in zip((0, 0.6), noise, strict=True))
    assert 0.01 < (difference(x, y).p or 1) < 0.05  # of three pairs it would be too large
    assert ranks([x, y, Value(0.5), Value(0.4), None], "lower", "holm") == [1, 4, 3, 2, 5]
