"""Which honest rows are reproduced, and which others are caught: the tables of docs/verify.md.

    python tests/bench/verify_simulations.py        # in Markdown

Features are drawn from the distributions of simulations.py, so any number of submitters can be had
and the noise is known. Each repetition draws real images, a submitted row and a redrawn one. A row
is inflated by moving values, and the pseudo-values with them, by so many true standard errors of
the difference, which is the standard deviation of the honest differences. Seeds are picked by
scoring ten draws and submitting the one of the best FID.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import click
import numpy as np
import torch
from scipy.special import ndtri
from simulations import ALIKE, CLUSTERED, UNLIKE, WIDE, Case, Clustered

from facebench.engine.scores import recorded
from facebench.metrics import t_distribution as student
from facebench.metrics.feature_sets import Comparison, FeatureSet
from facebench.metrics.multiplicity import holm
from facebench.metrics.paired import difference
from facebench.metrics.reproduced import LEVEL, TOO_GOOD, Judgement, judge
from facebench.metrics.table import METRICS
from facebench.results.result import Value

RANKED_BY = "fid"
ROWS = {
    "FID alone": ("fid",),
    "three": ("fid", "kid", "precision"),
    "six": ("fid", "kid", "cmmd", "precision", "coverage", "recall"),
}
"""What rows hold, by their names."""
CASES = {case.name: case for case in (UNLIKE, WIDE, ALIKE, CLUSTERED)}
INFLATED = (1, 2, 3, 4)
"""Standard errors of the difference."""
SPREAD = (2, 10)
"""How many times as large as it is a submitter says that the noise is."""
PICKED = 10
GROUPS = 32

Row = Mapping[str, Value]


def row(real: FeatureSet, fake: FeatureSet, keys: Sequence[str]) -> dict[str, Value]:
    """Return what a set of images scores."""
    comparison = Comparison(real, fake)
    return {key: recorded(key, METRICS[key].compute(comparison), None) for key in keys}


def pairs(
    case: Case | Clustered, keys: Sequence[str], repetitions: int, seed: int
) -> Iterator[tuple[Row, Row]]:
    """Yield, for each repetition, a submitted row and the redrawn one."""
    for rng in map(np.random.default_rng, np.random.SeedSequence(seed).spawn(repetitions)):
        real = case.real(rng)
        yield row(real, case.fake(rng), keys), row(real, case.fake(rng), keys)


def judged(submitted: Row, redrawn: Row, keys: Sequence[str]) -> dict[str, Judgement]:
    """Judge a row of some of the values."""
    of_row, again = ({key: each[key] for key in keys} for each in (submitted, redrawn))
    return judge(of_row, again, RANKED_BY)


def is_reproduced(found: Mapping[str, Judgement]) -> bool:
    """Say whether a row is."""
    return all(each.outcome == "reproduced" for each in found.values())


def by_holm(submitted: Row, redrawn: Row, keys: Sequence[str]) -> bool:
    """Say whether two-sided tests would reproduce it, by Holm's correction for their number."""
    p = [difference(submitted[key], redrawn[key]).p for key in keys]
    return bool((holm(np.array([1.0 if each is None else each for each in p])) >= LEVEL).all())


def errors(drawn: Sequence[tuple[Row, Row]], keys: Sequence[str]) -> dict[str, float]:
    """Return the true standard error of the difference, by metric."""
    return {
        key: float(np.std([a[key].value - b[key].value for a, b in drawn], ddof=1)) for key in keys
    }


def boasted(submitted: Row, of: Mapping[str, float], spread: float) -> Row:
    """Return the row with an FID that is better by 4 errors, its noise said to be larger."""
    value = submitted[RANKED_BY]
    less = value.value - 4 * of[RANKED_BY]
    groups = tuple(less + spread * (each - value.value) for each in value.groups)
    return {**submitted, RANKED_BY: replace(value, value=less, groups=groups)}


def is_outside(value: float, found: Judgement) -> bool:
    """Say whether a value that was moved, with its pseudo-values, would not be reproduced."""
    assert found.low is not None and found.high is not None
    return not found.low <= value <= found.high


def shares(drawn: Sequence[tuple[Row, Row]], keys: Sequence[str], altered: int) -> dict[str, float]:
    """Return which shares of honest and of altered rows are refused."""
    of = errors(drawn, keys)
    found = [judged(*pair, keys) for pair in drawn]
    told = {
        "honest": 1 - _share(map(is_reproduced, found)),
        "honest, two-sided tests and Holm": 1 - _share(by_holm(*pair, keys) for pair in drawn),
    }
    inflated = {key: (key,) for key in keys} | ({"all": keys} if len(keys) > 1 else {})
    for name, which in inflated.items():
        for size in INFLATED:
            moves = {key: _better(key, size * of[key]) for key in which}
            told[f"{name} + {size}"] = _share(
                any(is_outside(a[k].value + moves.get(k, 0.0), each[k]) for k in keys)
                for (a, _), each in zip(drawn, found, strict=True)
            )
    for spread in SPREAD:
        told[f"fid + 4, noise said to be {spread} times as large"] = 1 - _share(
            is_reproduced(judged(boasted(a, of, spread), b, keys)) for a, b in drawn[:altered]
        )
    return told


def _share(are_so: Iterable[bool]) -> float:
    return float(np.mean(list(are_so)))


def _better(key: str, by: float) -> float:
    """Return by how much a value changes that is better by so much."""
    return by if METRICS[key].better == "higher" else -by


def picked(case: Case | Clustered, repetitions: int, seed: int = 2) -> dict[str, float]:
    """Return the share of rows of the best of ten draws that are refused, by kind of row."""
    refused: dict[str, list[bool]] = {}
    for rng in map(np.random.default_rng, np.random.SeedSequence(seed).spawn(repetitions)):
        real, keys = case.real(rng), ROWS["three"]
        fakes = [case.fake(rng) for _ in range(PICKED)]
        best = min(fakes, key=lambda fake: row(real, fake, [RANKED_BY])[RANKED_BY].value)
        submitted, redrawn = row(real, best, keys), row(real, case.fake(rng), keys)
        for name in ("FID alone", "three"):
            found = judged(submitted, redrawn, ROWS[name])
            refused.setdefault(name, []).append(not is_reproduced(found))
    return {name: _share(each) for name, each in refused.items()}


def in_theory(
    picked: int,
    level: float = LEVEL,
    good: float = TOO_GOOD,
    redraws: float = 1.0,
    groups: int = GROUPS,
    draws: int = 400_000,
) -> float:
    """Return how often the best of so many draws is refused, where values are normal.

    Least of k standard normal values, less the mean of as many redrawn ones, over the standard
    error as that many pseudo-values tell it.

    Args:
        picked: of how many draws the best was submitted.
        level: of the test.
        good: the share of it that is spent on values that are too good.
        redraws: how often as many images are redrawn; infinitely often, the mean is known.
        groups: pseudo-values of each draw.
        draws: Monte Carlo's.
    """
    rng = np.random.default_rng(0)
    # The least of k uniform values is 1 - U^(1/k).
    least = ndtri(-np.expm1(np.log(rng.random(draws)) / picked))
    apart = least - rng.standard_normal(draws) / redraws**0.5
    told = np.sqrt((1 + 1 / redraws) * rng.chisquare(groups - 1, draws) / (groups - 1))
    below, above = (
        student.quantile(1 - level * side, groups) if side else np.inf for side in (good, 1 - good)
    )
    return float(np.mean((apart < -below * told) | (apart > above * told)))


@click.command()
@click.option("--repetitions", default=1000, show_default=True, type=click.IntRange(2))
@click.option("--altered", default=300, show_default=True, help="Of noise that is overstated.")
@click.option("--selections", default=300, show_default=True, help="Of the best of ten draws.")
@click.option("--cases", default=";".join(CASES), show_default=True, help="With semicolons.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of Markdown.")
def main(repetitions: int, altered: int, selections: int, cases: str, as_json: bool) -> None:
    """Print which rows are refused."""
    torch.set_num_threads(1)
    found = {}
    for case in map(CASES.__getitem__, filter(None, cases.split(";"))):
        drawn = list(pairs(case, ROWS["six"], repetitions, seed=1))
        of_case = {name: shares(drawn, keys, altered) for name, keys in ROWS.items()}
        for kind, share in (picked(case, selections) if selections else {}).items():
            of_case[kind]["best of ten"] = share
        found[case.name] = of_case
        if not as_json:
            _show(case.name, of_case)
    if as_json:
        click.echo(json.dumps(found))
    else:
        _show_theory()


def _show(name: str, found: Mapping[str, Mapping[str, float]]) -> None:
    click.echo(f"\n{name}: share of rows that are refused\n")
    labels = list(dict.fromkeys(label for each in found.values() for label in each))
    click.echo(f"| | {' | '.join(found)} |\n|---|{'---|' * len(found)}")
    for label in labels:
        cells = (f"{each[label]:.3f}" if label in each else "" for each in found.values())
        click.echo(f"| {label} | {' | '.join(cells)} |")


def _show_theory() -> None:
    click.echo("\nThe best of k draws, in theory: share that is refused\n")
    click.echo("| k | FID alone | one-sided at 5 % | and redrawn 4 times | and for ever |")
    click.echo("|---|---|---|---|---|")
    for k in (1, 2, 3, 5, 10, 30, 100):
        ways = in_theory(k), *(in_theory(k, good=1.0, redraws=r) for r in (1, 4, 1e12))
        click.echo(f"| {k} | {' | '.join(f'{each:.3f}' for each in ways)} |")


if __name__ == "__main__":
    main()
