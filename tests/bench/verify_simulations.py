"""Which honest rows are reproduced, and which others are caught: the tables of docs/verify.md.

    python tests/bench/verify_simulations.py        # in Markdown

Features are drawn from the distributions of simulations.py, so any number of submitters can be had
and the noise is known. Each repetition draws real images, a submitted row and a redrawn one. A row
is inflated by moving values, and the pseudo-values with them, by so many true standard errors of
the difference, which is the standard deviation of the honest differences. Seeds are picked by
scoring ten draws and submitting the one of the best FID.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import click
import numpy as np
import torch
from simulations import ALIKE, CLUSTERED, UNLIKE, WIDE, Case, Clustered

from facebench.engine.scores import recorded
from facebench.metrics import t_distribution as student
from facebench.metrics.feature_sets import Comparison, FeatureSet
from facebench.metrics.multiplicity import holm
from facebench.metrics.paired import difference
from facebench.metrics.reproduced import LEVEL, RANKING, TOO_GOOD, judge
from facebench.metrics.table import METRICS
from facebench.results.result import Value

RANKED_BY = "fid"
ROWS = {
    "FID alone": ("fid",),
    "three": ("fid", "kid", "precision"),
    "eight": (
        *("fid", "kid", "cmmd", "clipped_density", "precision", "clipped_coverage"),
        *("coverage", "recall"),
    ),
}
"""What rows hold, by their names."""
CASES = {case.name: case for case in (UNLIKE, WIDE, ALIKE, CLUSTERED)}
INFLATED = (3, 4)
"""Standard errors of the difference."""
PICKED = 10
GROUPS = 32

Row = Mapping[str, Value]


def row(real: FeatureSet, fake: FeatureSet, keys: Sequence[str]) -> dict[str, Value]:
    """Return what a set of images scores."""
    comparison = Comparison(real, fake)
    return {key: recorded(key, METRICS[key].compute(comparison), None) for key in keys}


def pairs(
    case: Case | Clustered, keys: Sequence[str], repetitions: int, seed: int, drawn: int = 1
) -> Iterator[tuple[list[Row], Row]]:
    """Yield, for each repetition, so many submitted rows and the redrawn one."""
    for rng in map(np.random.default_rng, np.random.SeedSequence(seed).spawn(repetitions)):
        real = case.real(rng)
        rows = [row(real, case.fake(rng), keys) for _ in range(drawn + 1)]
        yield rows[:-1], rows[-1]


def is_reproduced(submitted: Row, redrawn: Row, keys: Sequence[str]) -> bool:
    """Say whether a row of some of the values is reproduced."""
    of_row, again = ({key: each[key] for key in keys} for each in (submitted, redrawn))
    found = judge(of_row, again, RANKED_BY)
    return all(each.outcome in ("reproduced", "not judged") for each in found.values())


def by_holm(submitted: Row, redrawn: Row, keys: Sequence[str]) -> bool:
    """Say whether two-sided tests would reproduce it, by Holm's correction for their number."""
    p = [difference(submitted[key], redrawn[key]).p for key in keys]
    return bool((holm(np.array([1.0 if each is None else each for each in p])) >= LEVEL).all())


def errors(drawn: Sequence[tuple[Row, Row]], keys: Sequence[str]) -> dict[str, float]:
    """Return the true standard error of the difference, by metric."""
    return {
        key: float(np.std([a[key].value - b[key].value for a, b in drawn], ddof=1)) for key in keys
    }


def moved(value: Value, by: float, spread: float = 1.0) -> Value:
    """Return a value with its pseudo-values, moved, and these spread about it."""
    groups = (value.value + by + spread * (each - value.value) for each in value.groups)
    return replace(value, value=value.value + by, groups=tuple(groups))


def better(key: str, by: float) -> float:
    """Return by how much a value changes that is better by so much."""
    return by if METRICS[key].better == "higher" else -by


def shares(drawn: Sequence[tuple[Row, Row]], repetitions: int) -> dict[str, dict[str, float]]:
    """Return, for each kind of row, which shares of honest and of altered ones are refused."""
    of = errors(drawn, ROWS["eight"])
    some = drawn[:repetitions]
    found: dict[str, dict[str, float]] = {}
    for name, keys in ROWS.items():
        told = found[name] = {
            "honest": _share(drawn, _refusing(keys, (), of, 0)),
            "honest, by Holm": 1 - _share(drawn, partial(by_holm, keys=keys)),
        }
        for which in dict.fromkeys([(RANKED_BY,), keys[-1:], keys]):
            for size in INFLATED:
                label = "all" if which == keys and len(keys) > 1 else which[0]
                told[f"{label} + {size}"] = _share(some, _refusing(keys, which, of, size))
        told["fid + 4, spread twice"] = _share(some, _refusing(keys, ("fid",), of, 4, 2.0))
        told["fid + 4, spread tenfold"] = _share(some, _refusing(keys, ("fid",), of, 4, 10.0))
    return found


def _share(drawn: Sequence[tuple[Row, Row]], is_so: Callable[[Row, Row], bool]) -> float:
    return float(np.mean([is_so(submitted, redrawn) for submitted, redrawn in drawn]))


def _refusing(
    keys: Sequence[str],
    which: Sequence[str],
    of: Mapping[str, float],
    size: float,
    spread: float = 1.0,
) -> Callable[[Row, Row], bool]:
    """Return what says whether a row is refused whose values `which` are inflated."""

    def refused(submitted: Row, redrawn: Row) -> bool:
        raised = {k: moved(submitted[k], better(k, size * of[k]), spread) for k in which}
        return not is_reproduced({**submitted, **raised}, redrawn, keys)

    return refused


def picked(case: Case | Clustered, repetitions: int, seed: int = 2) -> dict[str, float]:
    """Return the share of rows of the best of ten draws that are refused, by kind of row."""
    refused: dict[str, list[bool]] = {}
    for rows, redrawn in pairs(case, ROWS["three"], repetitions, seed, PICKED):
        best = min(rows, key=lambda each: each[RANKED_BY].value)
        for name in ("FID alone", "three"):
            refused.setdefault(name, []).append(not is_reproduced(best, redrawn, ROWS[name]))
    return {name: float(np.mean(each)) for name, each in refused.items()}


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
    least = student_normal(-np.expm1(np.log(rng.random(draws)) / picked))
    apart = least - rng.standard_normal(draws) / redraws**0.5
    told = np.sqrt((1 + 1 / redraws) * rng.chisquare(groups - 1, draws) / (groups - 1))
    below, above = (
        student.quantile(1 - level * side, groups) if side else np.inf for side in (good, 1 - good)
    )
    return float(np.mean((apart < -below * told) | (apart > above * told)))


def student_normal(p: np.ndarray) -> np.ndarray:
    """Return the quantiles of the standard normal distribution."""
    from scipy.special import ndtri

    return np.asarray(ndtri(p))


def _drawn(case: Case | Clustered, repetitions: int, seed: int = 1) -> list[tuple[Row, Row]]:
    return [(rows[0], again) for rows, again in pairs(case, ROWS["eight"], repetitions, seed)]


@click.command()
@click.option("--repetitions", default=1000, show_default=True, type=click.IntRange(2))
@click.option("--altered", default=400, show_default=True, help="Repetitions of altered rows.")
@click.option("--cases", default=";".join(CASES), show_default=True, help="With semicolons.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of Markdown.")
def main(repetitions: int, altered: int, cases: str, as_json: bool) -> None:
    """Print which rows are refused."""
    torch.set_num_threads(1)
    found = {}
    for name in cases.split(";"):
        of_case = shares(_drawn(CASES[name], repetitions), altered)
        best = picked(CASES[name], altered)
        for kind, share in best.items():
            of_case[kind]["best of ten"] = share
        found[name] = of_case
        if not as_json:
            _show(name, of_case)
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
    click.echo("| k | FID alone | FID among others | one-sided at 5 % | and redrawn for ever |")
    click.echo("|---|---|---|---|---|")
    for k in (1, 2, 3, 5, 10, 30, 100):
        shown = (
            in_theory(k),
            in_theory(k, LEVEL * RANKING),
            in_theory(k, LEVEL, 1.0),
            in_theory(k, LEVEL, 1.0, 1e12),
        )
        click.echo(f"| {k} | {' | '.join(f'{each:.3f}' for each in shown)} |")


if __name__ == "__main__":
    main()
