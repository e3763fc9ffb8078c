"""How far can strengths, error rates and correlations of ``facebench arena`` be believed?

    python tests/bench/arena_simulations.py        # prints the tables of docs/arena.md

Judges of known strengths vote, and everything is computed from their votes as from people's. Where
judges or pictures differ, the truth is what endless votes of other judges and pictures would give.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import click
import numpy as np
from arena_judges import (
    People,
    Plan,
    checks_drawn,
    gallery_of,
    pairs_drawn,
    singles_drawn,
    truth,
)

from facebench.arena import agreement
from facebench.arena.summary import judgement
from facebench.arena.trust import trusted
from facebench.arena.votes import Vote
from facebench.results.judgement import Estimate, Judgement

STRENGTHS = (-1.2, -0.4, 0.0, 0.4, 1.2)
_ISLANDS = ((0, 1), (2, 3))
PLAIN = People(STRENGTHS)
STRENGTH_CASES: dict[str, tuple[People, Plan]] = {
    "ten judges, 40 pairs each": (PLAIN, Plan(10, 40)),
    "… who prefer the left side (62 %)": (replace(PLAIN, left=0.5), Plan(10, 40)),
    "… who often cannot tell (50 % among equals)": (replace(PLAIN, ties=2.0), Plan(10, 40)),
    "… who can always tell": (replace(PLAIN, ties=0.0), Plan(10, 40)),
    "few votes: one judge, 40 pairs": (PLAIN, Plan(1, 40)),
    "few votes: two judges, 15 pairs each": (PLAIN, Plan(2, 15)),
    "one model that wins nearly all": (People((-0.9, -0.7, -0.4, 0.0, 2.0)), Plan(10, 40)),
    "two islands that are never compared": (People((0.8, -0.4, 0.4, -0.8)), Plan(10, 40, _ISLANDS)),
    "pictures differ (sd 0.7)": (replace(PLAIN, pictures=0.7), Plan(10, 40)),
    "pictures differ, 100 pairs each": (replace(PLAIN, pictures=0.7), Plan(10, 100)),
    "tastes differ (sd 0.7), 30 judges": (replace(PLAIN, taste=0.7), Plan(30, 40)),
    "tastes differ, ten judges": (replace(PLAIN, taste=0.7), Plan(10, 40)),
    "tastes differ, five judges": (replace(PLAIN, taste=0.7), Plan(5, 40)),
    "tastes differ, two judges": (replace(PLAIN, taste=0.7), Plan(2, 40)),
    "both differ, 30 judges": (replace(PLAIN, taste=0.7, pictures=0.7), Plan(30, 40)),
}
FOOLED, MISTAKEN = (0.02, 0.2, 0.5), 0.2
HYPE_CASES = {
    "ten judges, 60 pictures each": (10, 60, 0.0, 0.0),
    "few: three judges, 20 pictures each": (3, 20, 0.0, 0.0),
    "pictures differ (sd 0.5)": (10, 60, 0.0, 0.5),
    "judges differ (sd 0.5), 30 judges": (30, 60, 0.5, 0.0),
    "judges differ, ten judges": (10, 60, 0.5, 0.0),
    "both differ, 30 judges": (30, 60, 0.5, 0.5),
}
"""Judges, pictures each, and the standard deviations, in probits, over judges and pictures."""


def is_inside(estimate: Estimate | None, true: float) -> bool:
    """Say whether an interval holds the true value."""
    assert estimate and estimate.low is not None and estimate.high is not None
    return estimate.low <= true <= estimate.high


def width(estimate: Estimate | None) -> float:
    """Return the length of an interval."""
    assert estimate and estimate.low is not None and estimate.high is not None
    return estimate.high - estimate.low


def coverage(
    draw: Callable[[np.random.Generator], Sequence[Vote]],
    true: Sequence[float],
    read: Callable[[Judgement, int], Estimate | None],
    repetitions: int,
) -> tuple[list[float], float]:
    """Return in which share of repetitions each model's interval held the truth, and its width."""
    inside, widths = np.zeros(len(true)), []
    for seed in range(repetitions):
        found = judgement(draw(np.random.default_rng(seed)), gallery_of(len(true)))
        for i, value in enumerate(true):
            estimate = read(found, i)
            inside[i] += is_inside(estimate, value)
            widths.append(width(estimate))
    return (inside / repetitions).tolist(), float(np.mean(widths))


def read_strength(found: Judgement, model: int) -> Estimate | None:
    """Return the strength of model number `model`."""
    return next(each.strength for each in found.models if each.model == f"m{model}")


def read_hype(found: Judgement, model: int) -> Estimate | None:
    """Return its error rate."""
    return next(each.hype for each in found.models if each.model == f"m{model}")


def strengths(repetitions: int) -> Iterator[str]:
    """Yield the table of strengths."""
    yield "| judges | truth inside the interval | by model | mean width |"
    yield "|---|---|---|---|"
    for name, (people, plan) in STRENGTH_CASES.items():
        draw = partial(pairs_drawn, people, plan)
        yield _row(name, *coverage(draw, truth(people, plan.joined), read_strength, repetitions))


def error_rates(repetitions: int) -> Iterator[str]:
    """Yield the table of HYPE's error rates."""
    yield "| judges | truth inside the interval | by model | mean width |"
    yield "|---|---|---|---|"
    true = [(fooled + MISTAKEN) / 2 for fooled in FOOLED]
    for name, (judges, each, taste, pictures) in HYPE_CASES.items():

        def draw(rng: np.random.Generator, case: tuple[int, int, float, float]) -> list[Vote]:
            return singles_drawn(FOOLED, MISTAKEN, case[0], case[1], rng, case[2], case[3])

        case = (judges, each, taste, pictures)
        yield _row(name, *coverage(partial(draw, case=case), true, read_hype, repetitions))


def _row(name: str, inside: Sequence[float], wide: float) -> str:
    mean = float(np.mean(inside))
    return f"| {name} | {mean:.3f} | {min(inside):.3f} – {max(inside):.3f} | {wide:.2f} |"


def left_out(repetitions: int) -> Iterator[str]:
    """Yield the table of judges whose votes should not count, and of those whose should."""
    yield "| judge | left out |"
    yield "|---|---|"
    for checks in (4, 8, 12):
        for who, failing in (("votes at random", 0.5), ("errs in 3 % of checks", 0.03)):
            out = [_fails(failing, checks, seed) for seed in range(repetitions)]
            yield f"| {who}, {checks} attention checks | {np.mean(out):.3f} |"
    for who, left in (("always left", math.inf), ("prefers left as 4 : 1", math.log(4))):
        out = [_is_one_sided(left, seed) for seed in range(repetitions)]
        yield f"| {who}, 40 pairs | {np.mean(out):.3f} |"


def _fails(failing: float, checks: int, seed: int) -> bool:
    votes = checks_drawn("j", failing, checks, np.random.default_rng(seed))
    return bool(trusted(votes).left_out)


def _is_one_sided(left: float, seed: int) -> bool:
    people = replace(PLAIN, left=min(left, 1e3))
    votes = pairs_drawn(people, Plan(1, 40), np.random.default_rng(seed))
    return bool(trusted(votes).left_out)


def with_a_bad_judge(repetitions: int) -> Iterator[str]:
    """Yield what one of ten judges who always votes left does to the intervals of the others."""

    def draw(rng: np.random.Generator) -> list[Vote]:
        votes = pairs_drawn(PLAIN, Plan(10, 40), rng)
        return [Vote(v.question, "left") if v.question.judge == "judge 0" else v for v in votes]

    yield "| judges | truth inside the interval | by model | mean width |"
    yield "|---|---|---|---|"
    inside, wide = coverage(draw, STRENGTHS, read_strength, repetitions)
    yield _row("one of ten always votes left", inside, wide)


def correlations(repetitions: int) -> Iterator[str]:
    """Yield how often the intervals of tau and rho hold the truth, of models drawn at random."""
    yield "| models | true tau | tau's interval holds it | mean width | rho's holds it |"
    yield "|---|---|---|---|---|"
    for models in (5, 8, 12, 20):
        for tau in (0.0, 0.5, 0.8):
            told = [_correlated(models, tau, seed) for seed in range(repetitions)]
            of_tau, wide, of_rho = np.mean(np.array(told, np.float64), axis=0)
            yield f"| {models} | {tau} | {of_tau:.3f} | {wide:.2f} | {of_rho:.3f} |"


def _correlated(models: int, tau: float, seed: int) -> tuple[bool, float, bool]:
    """Draw models whose merit by people and by a metric are normal, with a known correlation."""
    r = math.sin(math.pi * tau / 2)
    x, e = np.random.default_rng(seed).standard_normal((2, models))
    y = r * x + math.sqrt(1 - r**2) * e
    found_tau, found_rho = agreement.kendall(x, y), agreement.spearman(x, y)
    assert found_tau is not None and found_rho is not None
    by_tau = agreement.kendall_estimate(found_tau, models)
    by_rho = agreement.spearman_estimate(found_rho, models)
    rho = 6 / math.pi * math.asin(r / 2)
    return is_inside(by_tau, tau), width(by_tau), is_inside(by_rho, rho)


@click.command()
@click.option("--repetitions", default=300, show_default=True)
def main(repetitions: int) -> None:
    """Print the tables of docs/arena.md."""
    for table in (strengths, with_a_bad_judge, error_rates, left_out):
        click.echo(f"\n{table.__name__}, {repetitions} repetitions\n")
        for line in table(repetitions):
            click.echo(line)
    many = 10 * repetitions
    click.echo(f"\ncorrelations, {many} repetitions\n")
    for line in correlations(many):
        click.echo(line)


if __name__ == "__main__":
    main()
