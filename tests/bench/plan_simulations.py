"""Does the number of images that is planned tell the difference, and Holm hold what it promises?

    python tests/bench/plan_simulations.py        # prints the tables of docs/uncertainty.md

Features are drawn from normal distributions, as in simulations.py. Two generators, one a little
farther from the real images, are scored at few images; planned from that noise is how many tell
the difference of their means in 80 % of repetitions, and that many are drawn.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import click
import numpy as np
import torch
from simulations import UNLIKE, Case

from facebench.engine.scores import recorded
from facebench.metrics.feature_sets import Comparison, FeatureSet
from facebench.metrics.multiplicity import Correction
from facebench.metrics.paired import LEVEL, beats, difference
from facebench.metrics.power import POWER, Plan, plans
from facebench.metrics.table import METRICS
from facebench.results.result import Protocol, Result, Value

KEYS = ("fid", "fid_inf", "kid", "cmmd", "precision", "recall", "density", "coverage", "vendi")
PILOTS = 200
FARTHER = {"precision": 0.15, "recall": 0.3, "density": 0.15, "coverage": 0.15}
"""By how many standard deviations the second generator's mean is farther off: by .05, but for
those that are less sure, of which thousands of images would have to be drawn."""
_PROTOCOL = Protocol("d", "0", "holdout", "none", 8, "none", "inception", {}, "fp32", 1, 1)


@dataclass(frozen=True)
class Told:
    """What was planned for one metric, and what came of it."""

    planned: int
    """The median over the pilots, for the true difference."""
    spread: tuple[float, float]
    """The middle 90 % of what pilots planned for it."""
    held: float
    """The share of pilots whose range, by the difference that they saw, holds that number."""
    power: float
    """The share of repetitions of as many images that told the difference."""


def told(key: str, repetitions: int, pilots: int = PILOTS, seed: int = 0) -> Told:
    """Plan from pilots of 500 images, and draw as many as were planned."""
    rngs = map(np.random.default_rng, np.random.SeedSequence(seed).spawn(pilots + repetitions))
    seen = [_pair(key, UNLIKE, next(rngs)) for _ in range(pilots)]
    true = abs(float(np.mean([a.value - b.value for a, b in seen])))
    numbers = [_plan(key, pair, true).num for pair in seen]
    planned = int(np.median(np.array(numbers, np.float64)))
    ranges = [_plan(key, pair, None) for pair in seen]
    held = [(each.least or 0) <= planned <= (each.most or np.inf) for each in ranges]
    drawn = (_pair(key, replace(UNLIKE, n=planned), rng) for rng in rngs)
    found = [difference(a, b, METRICS[key].better).p for a, b in drawn]
    low, high = np.percentile(np.array(numbers, np.float64), [5, 95])
    power = float(np.mean([p is not None and p < LEVEL for p in found]))
    return Told(planned, (float(low), float(high)), float(np.mean(held)), power)


def any_called(
    key: str, correction: Correction, boards: int, models: int = 10, seed: int = 1
) -> float:
    """Return the share of boards of equal models on which some pair is called different."""
    called = []
    for rng in map(np.random.default_rng, np.random.SeedSequence(seed).spawn(boards)):
        real = UNLIKE.real(rng)
        values = [_value(key, real, UNLIKE.fake(rng)) for _ in range(models)]
        called.append(beats(values, METRICS[key].better, correction).any())
    return float(np.mean(called))


def _pair(key: str, case: Case, rng: np.random.Generator) -> tuple[Value, Value]:
    """Return what both generators score against the same real images."""
    real, farther = case.real(rng), replace(case, shift=case.shift + FARTHER.get(key, 0.05))
    return _value(key, real, case.fake(rng)), _value(key, real, farther.fake(rng))


def _value(key: str, real: FeatureSet, fake: FeatureSet) -> Value:
    return recorded(key, METRICS[key].compute(Comparison(real, fake)), None)


def _plan(key: str, pair: tuple[Value, Value], wanted: float | None) -> Plan:
    protocol = replace(_PROTOCOL, num=UNLIKE.n, num_reference=UNLIKE.n)
    a, b = (Result("x", "images", "x", "0", 0, protocol, {key: each}) for each in pair)
    return plans(a, b, [key], wanted)[key]


@click.command()
@click.option("--repetitions", default=400, show_default=True, type=click.IntRange(2))
@click.option("--metrics", default=",".join(KEYS), show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of Markdown.")
def main(repetitions: int, metrics: str, as_json: bool) -> None:
    """Print what was planned and what came of it, and false alarms among ten equal models."""
    torch.set_num_threads(1)
    keys: Sequence[str] = metrics.split(",")
    found = {}
    if not as_json:
        click.echo(
            f"| metric | planned for {POWER:.0%} (middle 90 %) | told | range holds it "
            "| ten equal models: any called | with Holm |\n|---|---|---|---|---|---|"
        )
    for key in keys:
        one = told(key, repetitions)
        plain, corrected = (any_called(key, c, repetitions) for c in ("none", "holm"))
        found[key] = vars(one) | {"any": plain, "holm": corrected}
        if not as_json:
            between = f"{one.spread[0]:,.0f} to {one.spread[1]:,.0f}"
            click.echo(
                f"| `{key}` | {one.planned:,} ({between}) | {one.power:.3f} | {one.held:.3f} "
                f"| {plain:.3f} | {corrected:.3f} |"
            )
    if as_json:
        click.echo(json.dumps(found))


if __name__ == "__main__":
    main()
