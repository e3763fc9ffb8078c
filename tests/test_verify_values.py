"""Are submitted values within the noise of both draws? Against SciPy, and by known chances."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from facebench.metrics.reproduced import LEVEL, RANKING, TOO_GOOD, judge, ranking
from facebench.results.result import Value


def value(rng: np.random.Generator, middle: float = 5.0, groups: int = 32) -> Value:
    scattered = rng.normal(middle, 1.0, groups)
    return Value(float(scattered.mean()), groups=tuple(scattered.tolist()))


def moved(of: Value, by: float, spread: float = 1.0) -> Value:
    groups = tuple(of.value + by + spread * (each - of.value) for each in of.groups)
    return replace(of, value=of.value + by, groups=groups)


def pair(seed: int = 3, groups: int = 32) -> tuple[Value, Value]:
    rng = np.random.default_rng(seed)
    return value(rng, groups=groups), value(rng, groups=groups)


def t_interval(a: Value, b: Value, level: float) -> tuple[float, float]:
    """Return where `a` must lie by SciPy, four fifths of the level on the side below."""
    apart = np.array(a.groups) - np.array(b.groups)
    error = scipy.stats.sem(apart)
    tails = level * TOO_GOOD, 1 - level * (1 - TOO_GOOD)
    below, above = (float(scipy.stats.t.ppf(tail, len(apart) - 1)) for tail in tails)
    return b.value + below * error, b.value + above * error


@pytest.mark.parametrize(("groups", "seed"), [(10, 2), (32, 3)])
def test_one_metric_is_the_paired_t_test_with_most_of_the_level_on_the_better_side(
    groups: int, seed: int
) -> None:
    a, b = pair(seed, groups)
    found = judge({"fid": a}, {"fid": b}, "fid")["fid"]
    assert (found.low, found.high) == pytest.approx(t_interval(a, b, LEVEL), abs=0.05)
    one_sided = [
        scipy.stats.ttest_rel(a.groups, b.groups, alternative=side).pvalue
        for side in ("less", "greater")
    ]
    expected = min(one_sided[0] / TOO_GOOD, one_sided[1] / (1 - TOO_GOOD))
    assert found.p == pytest.approx(min(expected, 1), abs=0.01)


def test_a_metric_that_says_the_same_costs_nothing_and_an_independent_one_its_part() -> None:
    a, b = pair(0)
    c, d = pair(1)
    twice = judge({"fid": a, "kid": a}, {"fid": b, "kid": b}, "fid")["fid"]
    assert (twice.low, twice.high) == pytest.approx(t_interval(a, b, LEVEL), abs=0.02)
    apart = [np.subtract(x.groups, y.groups) for x, y in ((a, b), (c, d))]
    assert abs(np.corrcoef(apart)[0, 1]) < 0.1  # or the level would be another
    both = judge({"fid": a, "kid": c}, {"fid": b, "kid": d}, "fid")
    level = 1 - (1 - LEVEL) ** 0.5  # Šidák's, for weights that are equal
    assert RANKING == 0.5
    for key, (x, y) in {"fid": (a, b), "kid": (c, d)}.items():
        assert (both[key].low, both[key].high) == pytest.approx(t_interval(x, y, level), abs=0.04)


def test_metrics_go_together_though_they_have_unequal_numbers_of_groups() -> None:
    """Of the same images, in 32 groups and in 16, the level is nearly that of one metric."""
    a, b = pair(2)
    a16, b16 = (
        replace(v, groups=tuple(np.reshape(v.groups, (16, 2)).mean(1).tolist())) for v in (a, b)
    )
    found = judge({"fid": a, "kid": a16}, {"fid": b, "kid": b16}, "fid")["fid"]
    both, alone = (t_interval(a, b, level) for level in (1 - (1 - LEVEL) ** 0.5, LEVEL))
    assert found.low is not None and both[0] < found.low <= alone[0] + 0.01


def test_as_many_honest_rows_pass_as_is_said() -> None:
    keys = ("fid", "kid", "precision", "recall")
    refused = []
    for rng in map(np.random.default_rng, np.random.SeedSequence(5).spawn(200)):
        a, b = (
            {key: value(rng, groups=10 if i > 1 else 32) for i, key in enumerate(keys)}
            for _ in range(2)
        )
        found = judge(a, b, "fid")
        refused.append(any(each.outcome != "reproduced" for each in found.values()))
    assert 0.015 < np.mean(refused) < 0.1  # binomial: within 2.3 and 3.2 deviations of .05


@pytest.mark.parametrize(
    ("key", "by", "outcome"),
    [
        ("fid", -2.0, "too good"),
        ("fid", 2.0, "too bad"),
        ("precision", 2.0, "too good"),
        ("precision", -2.0, "too bad"),
    ],
)
def test_a_value_that_noise_does_not_explain_is_named_by_its_side(
    key: str, by: float, outcome: str
) -> None:
    a, b = pair()
    assert judge({key: a}, {key: b}, key)[key].outcome == "reproduced"
    found = judge({key: moved(a, by)}, {key: b}, key)[key]
    assert found.outcome == outcome
    assert found.p is not None and found.p < 0.001


@pytest.mark.parametrize(("by", "outcome"), [(-2.0, "too good"), (2.0, "too bad")])
def test_beside_the_reference_either_side_counts_alike(by: float, outcome: str) -> None:
    a, b = (replace(each, reference=2.0) for each in pair())
    found = judge({"lpips_diversity": a}, {"lpips_diversity": b}, "lpips_diversity")
    [of] = found.values()
    assert of.low is not None and of.high is not None
    assert b.value - of.low == pytest.approx(of.high - b.value, rel=0.02)
    [of] = judge(
        {"lpips_diversity": moved(a, by)}, {"lpips_diversity": b}, "lpips_diversity"
    ).values()
    assert of.outcome == outcome


def test_what_is_forged_to_be_excused_is_refused() -> None:
    a, b = pair()
    boast = replace(a, value=a.value - 2)
    found = judge({"fid": boast}, {"fid": b}, "fid")["fid"]
    assert found.outcome == "altered" and "pseudo-values are about" in found.why
    noisy = judge({"fid": moved(a, -2, spread=100)}, {"fid": b}, "fid")["fid"]
    assert noisy.outcome == "too good"


def test_however_much_noise_is_stated_the_interval_is_no_wider_than_a_quarter_more() -> None:
    a, b = pair()
    found = judge({"fid": moved(a, 0, spread=100)}, {"fid": b}, "fid")["fid"]
    alone = 2**0.5 * scipy.stats.sem(b.groups)
    assert found.low is not None
    reach = scipy.stats.t.ppf(1 - LEVEL * TOO_GOOD, 31) * alone
    assert b.value - found.low == pytest.approx(1.25 * reach, rel=0.03)


@pytest.mark.parametrize("field", ["reference", "floor"])
def test_what_the_real_images_score_is_the_same_or_the_row_is_altered(field: str) -> None:
    def beside(of: Value, real: float) -> Value:
        return Value(**vars(of) | {field: real})

    a, b = pair()
    b = beside(b, 3.0)
    same = judge({"fid": beside(a, 3.0001)}, {"fid": b}, "fid")["fid"]
    assert same.outcome == "reproduced"
    found = judge({"fid": beside(a, 4.0)}, {"fid": b}, "fid")["fid"]
    assert found.outcome == "altered" and "is 3 here, and 4 there" in found.why


def test_of_how_many_people_as_many_real_faces_show_nothing_is_held_against_a_row() -> None:
    a, b = (replace(each, reference=real) for each, real in zip(pair(), (5.0, 9.0), strict=True))
    key = "identity_diversity"
    assert judge({key: a}, {key: b}, key)[key].outcome == "reproduced"


def test_of_whose_noise_nothing_is_known_nothing_is_said() -> None:
    a, b = pair()
    bare = replace(a, groups=())
    found = judge({"fid": a, "kid": bare, "recall": a}, {"fid": b, "kid": b}, "fid")
    assert [each.outcome for each in found.values()] == ["reproduced", "not judged", "not judged"]
    assert found["kid"].low is None and "noise" in found["kid"].why
    assert found["recall"].why == "it was not computed again"
    fewer = judge({"fid": pair(groups=10)[0]}, {"fid": b}, "fid")["fid"]
    assert fewer.outcome == "not judged"


def test_values_that_never_scatter_are_the_same_or_not() -> None:
    full, less = (Value(each, groups=(each,) * 10) for each in (1.0, 0.9))
    assert judge({"precision": full}, {"precision": full}, "precision")["precision"].p == 1
    assert judge({"precision": full}, {"precision": less}, "precision")["precision"].outcome == (
        "too good"
    )


def test_the_metric_that_ranks_is_the_first_network_s() -> None:
    keys = ["fid", "fd_random", "kid", "identity_leakage"]
    assert ranking(keys, "inception") == "fid"
    assert ranking(keys, "random") == "fd_random"
    assert ranking(["identity_leakage"], "random") == "identity_leakage"


def _simulations(*words: str) -> str:
    script = Path(__file__).parent / "bench" / "verify_simulations.py"
    answer = subprocess.run(
        [sys.executable, str(script), *words], check=True, capture_output=True, text=True
    )
    return answer.stdout


@pytest.mark.processes
def test_the_best_of_ten_is_caught_as_order_statistics_say() -> None:
    """Redrawn for ever, ten must miss the critical value; with less, fewer are caught."""
    lines = _simulations("--cases", "").splitlines()
    [of_one], [of_ten] = ([x for x in lines if x.startswith(f"| {k} |")] for k in (1, 10))
    one, ten = ([float(cell) for cell in line.split("|")[2:-1]] for line in (of_one, of_ten))
    assert one == pytest.approx([0.05] * 4, abs=0.002)
    parts = scipy.stats.chi2.ppf((np.arange(1000) + 0.5) / 1000, 31)
    each = scipy.stats.norm.cdf(scipy.stats.t.ppf(LEVEL, 31) * np.sqrt(parts / 31))
    assert ten[3] == pytest.approx(1 - np.mean((1 - each) ** 10), abs=0.005)
    assert ten[0] < ten[1] < ten[2] < ten[3]


@pytest.mark.processes
def test_rows_are_simulated_as_for_the_page() -> None:
    words = ["--repetitions", "4", "--altered", "2", "--selections", "2", "--cases", "equal"]
    found = json.loads(_simulations(*words, "--json"))["equal"]
    assert found.keys() == {"FID alone", "three", "six"}
    assert found["three"]["all + 4"] >= found["three"]["all + 3"] >= 0.5
