import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from arena_judges import (
    People,
    Plan,
    as_votes,
    checks_drawn,
    gallery_of,
    outcomes,
    pairs_drawn,
    singles_drawn,
)
from arena_simulations import width as width_of
from scipy import stats
from scipy.optimize import minimize

from facebench.arena import agreement, hype
from facebench.arena.clusters import excess
from facebench.arena.davidson import PRIOR_SD, Pairs, fit, is_connected, ranks
from facebench.arena.hype import Singles
from facebench.arena.pictures import REAL
from facebench.arena.summary import judgement
from facebench.arena.trust import INATTENTIVE, ONE_KEY, trusted
from facebench.arena.votes import Vote
from facebench.results.judgement import Judged, Judgement
from facebench.results.result import Protocol, Result, Value

STRENGTHS = (-1.2, -0.4, 0.0, 0.4, 1.2)
PEOPLE = People(STRENGTHS, ties=0.5, left=0.4)


def pairs_of(*results: tuple[int, int, int]) -> Pairs:
    """Return pairs by one judge, of pictures that are all different: left, right, outcome."""
    left, right, outcome = np.array(results).T
    votes = len(left)
    pictures = np.arange(2 * votes).reshape(-1, 2)
    return Pairs(left, right, outcome, np.zeros(votes, np.int64), pictures)


def by_name(found: Judgement) -> dict[str, Judged]:
    return {each.model: each for each in found.models}


def test_the_fit_is_the_mode_of_the_posterior_as_it_is_written_down() -> None:
    pairs = outcomes(PEOPLE, Plan(3, 60), np.random.default_rng(0))
    votes = list(zip(pairs.left, pairs.right, pairs.outcome, strict=True))

    def loss(x: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> float:
        total = sum(float(each) ** 2 for each in x) / (2 * PRIOR_SD**2)
        for left, right, outcome in votes:
            eta = (x[left] - x[right] + x[5]) / 2
            odds = [math.exp(eta), math.exp(-eta), math.exp(x[6])]
            total -= math.log(odds[outcome] / sum(odds))
        return total

    slow = minimize(loss, np.zeros(7), tol=1e-10)
    found = fit(pairs, 5)
    assert found.parameters == pytest.approx(slow.x, abs=1e-4)
    assert found.strengths.sum() == pytest.approx(0, abs=1e-9)
    step = 1e-3 * np.eye(7)
    curvature = [
        [
            (loss(x + a + b) - loss(x + a - b) - loss(x - a + b) + loss(x - a - b)) / 4e-6
            for b in step
        ]
        for x in [found.parameters]
        for a in step
    ]
    assert found.covariance == pytest.approx(np.linalg.inv(curvature), rel=1e-3, abs=1e-4)


def test_many_votes_give_strengths_side_and_ties_back() -> None:
    found = fit(outcomes(PEOPLE, Plan(100, 200), np.random.default_rng(1)), 5)
    assert found.strengths == pytest.approx(STRENGTHS, abs=0.08)
    assert found.left[0] == pytest.approx(0.4, abs=0.06)
    assert math.exp(found.parameters[-1]) == pytest.approx(0.5, abs=0.04)
    assert ranks(found) == [5, 4, 3, 2, 1]


def test_a_model_that_won_all_has_a_finite_strength_and_a_long_interval() -> None:
    found = fit(pairs_of(*[(0, 1, 0), (1, 0, 1)] * 20), 2)
    error = found.error(found.contrast(0))
    assert 1 < found.strengths[0] < 4
    assert found.strengths[0] + 1.96 * error > found.strengths[0] + 1
    assert ranks(found) == [1, 2]
    fewer = fit(pairs_of((0, 1, 0), (1, 0, 1)), 2)
    assert 0 < fewer.strengths[0] < found.strengths[0]
    assert ranks(fewer) == [1, 1]


def test_models_that_were_never_compared_are_told_of_as_such() -> None:
    islands = pairs_of(*[(0, 1, 0), (1, 0, 0), (2, 3, 1), (3, 2, 1)] * 30)
    assert not is_connected(islands, [0, 1, 2, 3])
    found = fit(islands, 4)
    within, across = found.contrast(0, 1), found.contrast(0, 2)
    assert found.error(across) > 3 * found.error(within)
    assert is_connected(pairs_of((0, 1, 0), (2, 1, 2)), [0, 1, 2])
    votes = as_votes(outcomes(People(STRENGTHS[:4]), Plan(9, 9, ((0, 1), (2, 3))), rng()))
    assert any("never compared" in note for note in judgement(votes, gallery_of(4)).notes)
    assert not judgement(pairs_drawn(PEOPLE, Plan(10, 9), rng()), gallery_of(5)).notes


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_only_ties_say_that_all_are_equal() -> None:
    found = fit(pairs_of(*[(0, 1, 2), (1, 2, 2), (2, 0, 2)] * 5), 3)
    assert found.strengths == pytest.approx([0, 0, 0], abs=1e-9)
    assert ranks(found) == [1, 1, 1]


def test_the_excess_is_the_sum_over_pairs_of_votes_that_have_something_in_common() -> None:
    generator = rng(3)
    scores = generator.standard_normal((40, 3))
    pictures = generator.integers(0, 6, 40)
    both = np.stack([pictures, 6 + generator.integers(0, 6, 40)], axis=1)
    judge = generator.integers(0, 4, 40)
    slow = np.zeros((3, 3))
    for a, b in itertools.product(range(40), repeat=2):
        shares_picture = bool({*both[a]} & {*both[b]})
        weight = 4 / 3 if judge[a] == judge[b] else float(shares_picture)
        slow += (weight - (a == b)) * np.outer(scores[a], scores[b])
    assert excess(scores, both, judge) == pytest.approx(slow)
    alone = excess(scores, np.arange(80).reshape(40, 2), np.zeros(40, np.int64))
    assert alone == pytest.approx(np.zeros((3, 3)))


@pytest.mark.parametrize(
    "people", [PEOPLE, replace(PEOPLE, left=0.0, ties=0.1)], ids=["order and ties", "plain"]
)
def test_intervals_cover_the_true_strengths(people: People) -> None:
    """The short form of tests/bench/arena_simulations.py, whose 300 runs docs/arena.md tells."""
    inside = []
    for seed in range(60):
        found = by_name(judgement(pairs_drawn(people, Plan(10, 30), rng(seed)), gallery_of(5)))
        for i, strength in enumerate(STRENGTHS):
            said = found[f"m{i}"].strength
            assert said and said.low is not None and said.high is not None
            inside.append(said.low <= strength <= said.high)
    assert 0.9 <= np.mean(inside) <= 0.99  # of 300, 0.95 ± 0.013 but for what runs have in common


def test_judges_and_pictures_that_differ_widen_the_intervals() -> None:
    def width(people: People) -> float:
        found = judgement(pairs_drawn(people, Plan(20, 40), rng()), gallery_of(5))
        return sum(width_of(each.strength) for each in found.models) / 5

    plain = width(PEOPLE)
    assert width(replace(PEOPLE, taste=1.0)) > 1.3 * plain
    assert width(replace(PEOPLE, pictures=1.0)) > 1.2 * plain


def test_wilsons_interval_is_that_of_scipy() -> None:
    for wrong, n in ((0, 10), (3, 10), (50, 100), (10, 10)):
        known = stats.binomtest(wrong, n).proportion_ci(method="wilson")
        assert hype.wilson(wrong / n, n) == pytest.approx((known.low, known.high))


def singles(wrong: int, n: int, first: int = 0) -> Singles:
    return Singles(np.arange(n) < wrong, first + np.arange(n), np.zeros(n, np.int64))


def test_hype_is_the_mean_of_both_kinds_of_error() -> None:
    found = hype.error_rate(singles(30, 100), singles(10, 100, first=100))
    assert found.value == pytest.approx(0.2)
    error = (0.3 * 0.7 / 100 + 0.1 * 0.9 / 100) ** 0.5 / 2
    assert found.low is not None and found.high is not None
    assert found.low == pytest.approx(0.2 - 1.96 * error, abs=0.01)
    assert found.high == pytest.approx(0.2 + 1.96 * error, abs=0.01)
    never = hype.error_rate(singles(0, 20), singles(0, 20, first=20))
    assert (never.value, never.low) == (0, 0) and never.high and 0.05 < never.high < 0.2


def test_hype_of_simulated_judges_is_what_they_were_made_with() -> None:
    votes = singles_drawn((0.4, 0.05), 0.2, judges=40, each=200, rng=rng())
    found = judgement(votes, gallery_of(2))
    models = by_name(found)
    assert found.mistaken and found.mistaken.value == pytest.approx(0.2, abs=0.02)
    for name, fooled in (("m0", 0.4), ("m1", 0.05)):
        said = models[name]
        assert said.fooled and said.fooled.value == pytest.approx(fooled, abs=0.03)
        assert said.hype and said.hype.value == pytest.approx((fooled + 0.2) / 2, abs=0.02)
    assert found.singles == 8000 and found.pairs == 0 and models["m0"].strength is None


def test_a_judge_who_always_votes_left_or_fails_the_checks_is_left_out() -> None:
    votes = pairs_drawn(PEOPLE, Plan(8, 40), rng())
    votes = [Vote(v.question, "left") if v.question.judge == "judge 2" else v for v in votes]
    for judge, failing in (("judge 0", 0.0), ("judge 1", 1.0)):
        votes += checks_drawn(judge, failing, 6, rng())
    kept = trusted(votes)
    assert {v.question.judge for v in kept.votes} == {f"judge {i}" for i in (0, 3, 4, 5, 6, 7)}
    assert [(each.why, each.judges, each.votes) for each in kept.left_out] == [
        (INATTENTIVE, 1, 46),
        (ONE_KEY, 1, 40),
    ]
    found = judgement(votes, gallery_of(5))
    assert (found.checks, found.failed, found.judges) == (12, 6, 6)


def test_few_checks_and_few_pairs_leave_nobody_out() -> None:
    votes = checks_drawn("a", 1.0, 3, rng())
    one_side = [Vote(v.question, "left") for v in pairs_drawn(PEOPLE, Plan(1, 19), rng())]
    assert trusted([*votes, *one_side]).left_out == ()


def test_rank_correlations_are_those_of_scipy() -> None:
    generator = rng(5)
    for n in (3, 6, 20):
        x, y = generator.integers(0, 6, (2, n)).astype(np.float64)
        assert agreement.kendall(x, y) == pytest.approx(stats.kendalltau(x, y).statistic)
        assert agreement.spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)
    assert agreement.kendall(np.ones(4), np.arange(4.0)) is None
    assert agreement.spearman(np.ones(4), np.arange(4.0)) is None


def test_a_perfect_order_of_few_models_is_not_sure() -> None:
    few = agreement.kendall_estimate(1.0, 4)
    assert (few.low, few.high) == (None, None)
    more = agreement.kendall_estimate(1.0, 6)
    assert more.low is not None and 0 < more.low < 0.9 and more.high == 1.0
    many = agreement.spearman_estimate(0.5, 100)
    assert many.low == pytest.approx(0.33, abs=0.02) and many.high == pytest.approx(0.64, abs=0.02)


def test_metrics_are_correlated_with_people_by_what_is_better() -> None:
    p = Protocol("d", "0", "holdout", "none", 8, "none", "inception", {}, "float32", 36, 36)
    better = {"fid": -1.0, "recall": 1.0}

    def result(i: int, protocol: Protocol) -> Result:
        metrics = {key: Value(10 + sign * STRENGTHS[i]) for key, sign in better.items()}
        return Result(f"m{i}", "images", "", "0", 0, protocol, metrics)

    votes = pairs_drawn(PEOPLE, Plan(20, 50), rng())
    found = judgement(votes, gallery_of(5), [result(i, p) for i in range(5)])
    assert {each.metric: each.kendall.value for each in found.agreement} == {
        "fid": 1.0,
        "recall": 1.0,
    }
    assert found.agreement[0].models == ("m0", "m1", "m2", "m3", "m4")
    unlike = [result(i, p if i < 3 else replace(p, crop="x")) for i in range(5)]
    found = judgement(votes, gallery_of(5), unlike)
    assert [each.models for each in found.agreement] == [("m0", "m1", "m2")] * 2


def test_votes_on_other_pictures_do_not_count() -> None:
    votes = pairs_drawn(PEOPLE, Plan(2, 30), rng())
    there = gallery_of(5)
    changed = replace(there, models=(replace(there.models[0], digest="other"), *there.models[1:]))
    found = judgement(votes, changed)
    of_it = sum(
        "m0" in (v.question.first.name, (v.question.second or v.question.first).name) for v in votes
    )
    assert (found.outdated, found.pairs) == (of_it, 60 - of_it)
    assert by_name(found)["m0"].strength is None
    assert by_name(found)["m1"].strength is not None


def test_real_is_no_name_of_a_model() -> None:
    assert "/" in REAL
