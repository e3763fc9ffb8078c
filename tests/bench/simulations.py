"""How far intervals and verdicts can be trusted: simulations whose answers are known.

    make simulate        # prints the tables of docs/uncertainty.md, in Markdown

Features are drawn from known distributions, so any number of independent repetitions can be had.
All metrics take part that need nothing that features cannot give, new ones by their rows. A
metric's true value is its expectation at that N: the mean of all repetitions, which is 20 times as
certain as any one of them, or a closed form where there is one.
"""

import json
from collections.abc import Collection, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import click
import numpy as np
import torch

from facebench.engine.scores import recorded
from facebench.metrics.feature_sets import Comparison, FeatureSet
from facebench.metrics.frechet import frechet_estimate
from facebench.metrics.frechet_ratio import OverFloor
from facebench.metrics.paired import LEVEL, difference
from facebench.metrics.table import METRICS
from facebench.metrics.uncertainty import Estimate
from facebench.numerics.pair_moments import moments_of

REPETITIONS = 500
_ROW = 32  # images a row of LPIPS moments
ALL = tuple(
    key for key, row in METRICS.items() if row.needs in ("features", "lpips", "training", "floors")
)
"""The metrics that take part."""


@dataclass(frozen=True)
class Case:
    """Two normal distributions: of the real features, and of the generated ones."""

    name: str
    n: int
    d: int
    shift: float
    """Of the generated mean, in standard deviations of each feature."""
    scale: float
    """Of the generated standard deviations."""
    decay: float = 0.0
    """Feature i has the variance i^-decay."""

    def real(self, rng: np.random.Generator) -> FeatureSet:
        """Draw real images' features."""
        return _features(rng.standard_normal((self.n, self.d)) * self._deviations)

    def fake(self, rng: np.random.Generator) -> FeatureSet:
        """Draw generated images' features."""
        z = self.shift + self.scale * rng.standard_normal((self.n, self.d))
        return _features(z * self._deviations)

    @property
    def diversity(self) -> float:
        """The mean squared distance of two generated images: twice the variance."""
        return float(2 * self.scale**2 * np.square(self._deviations).sum())

    @property
    def _deviations(self) -> np.ndarray:
        return np.arange(1, self.d + 1) ** (-self.decay / 2)


@dataclass(frozen=True)
class Clustered:
    """Clusters of features with heavy tails; the generated ones are more often in some of them."""

    name: str
    n: int
    d: int
    clusters: int
    freedom: int
    """Degrees of freedom of Student's t, which each feature has about the middle of its cluster."""

    def real(self, rng: np.random.Generator) -> FeatureSet:
        """Draw real images' features, from all clusters equally often."""
        return self._draw(rng, np.ones(self.clusters))

    def fake(self, rng: np.random.Generator) -> FeatureSet:
        """Draw generated images' features, from cluster i with a frequency of i."""
        return self._draw(rng, self._weights)

    @property
    def diversity(self) -> float:
        """The mean squared distance of two generated images: twice the variance."""
        shares = self._weights / self._weights.sum()
        between = shares @ np.square(self._middles - shares @ self._middles).sum(1)
        return float(2 * (between + self.d * self.freedom / (self.freedom - 2)))

    def _draw(self, rng: np.random.Generator, weights: np.ndarray) -> FeatureSet:
        cluster = rng.choice(self.clusters, self.n, p=weights / weights.sum())
        z = self._middles[cluster] + rng.standard_t(self.freedom, (self.n, self.d))
        return _features(z)

    @property
    def _middles(self) -> np.ndarray:
        return np.random.default_rng(self.clusters).standard_normal((self.clusters, self.d))

    @property
    def _weights(self) -> np.ndarray:
        return np.arange(1.0, self.clusters + 1)


UNLIKE = Case("unlike", n=500, d=16, shift=0.3, scale=1.2)
WIDE = Case("unlike, d > n", n=300, d=800, shift=0.2, scale=1.1, decay=1.0)
ALIKE = Case("equal", n=500, d=16, shift=0.0, scale=1.0)
CLUSTERED = Clustered("clustered, heavy tails", n=400, d=48, clusters=8, freedom=5)
CASES = (UNLIKE, WIDE, ALIKE, CLUSTERED)


class Coverage(NamedTuple):
    """How often a metric's 95 % interval holds the true value."""

    share: float
    error_ratio: float
    """The standard error that is stated, over the standard deviation that there is."""


def coverage(
    case: Case | Clustered,
    repetitions: int = REPETITIONS,
    seed: int = 0,
    metrics: Collection[str] = ALL,
) -> dict[str, Coverage]:
    """Return, by metric, how often the interval held what it should.

    The images that a model was trained on are given, not drawn: authenticity is about these.
    """
    drawn: dict[str, list[Estimate]] = {}
    training = case.real(np.random.default_rng(seed))
    for rng in _generators(repetitions, seed):
        real, fake = case.real(rng), case.fake(rng)
        comparison = _compared(real, fake, training, case.real(rng), metrics)
        for key, estimate in _estimates(comparison, metrics):
            drawn.setdefault(key, []).append(estimate)
    known = {"lpips_diversity": case.diversity}
    return {key: _coverage(found, key, known.get(key)) for key, found in drawn.items()}


def false_alarms(
    case: Case | Clustered,
    trials: int = REPETITIONS,
    seed: int = 1,
    metrics: Collection[str] = ALL,
) -> dict[str, float]:
    """Return, by metric, how often two equal generators are called different."""
    alarms: dict[str, list[bool]] = {}
    training = case.real(np.random.default_rng(seed))
    for rng in _generators(trials, seed):
        real = case.real(rng)
        fakes = case.fake(rng), case.fake(rng)
        others = case.real(rng)
        compared = [_compared(real, fake, training, others, metrics) for fake in fakes]
        pair = [dict(_estimates(each, metrics)) for each in compared]
        for key in pair[0]:
            a, b = (recorded(key, estimates[key], None) for estimates in pair)
            p = difference(a, b, METRICS[key].better).p
            alarms.setdefault(key, []).append(p is not None and p < LEVEL)
    return {key: float(np.mean(found)) for key, found in alarms.items()}


def _generators(count: int, seed: int) -> Iterator[np.random.Generator]:
    return map(np.random.default_rng, np.random.SeedSequence(seed).spawn(count))


def _features(values: np.ndarray) -> FeatureSet:
    parts = np.split(values, range(_ROW, len(values), _ROW))
    rows = [moments_of([[torch.from_numpy(part)]]) for part in parts]
    moments = {name: torch.cat([row[name] for row in rows]).numpy() for name in rows[0]}
    return FeatureSet(values.astype(np.float32), lpips=moments)


def _compared(
    real: FeatureSet,
    fake: FeatureSet,
    training: FeatureSet,
    others: FeatureSet,
    metrics: Collection[str],
) -> Comparison:
    """Return what metrics see; `others` are the real images that the floors are of."""
    parts: list[OverFloor] = []
    if "fdr" in metrics:
        parts = [*map(OverFloor, _distances(real, fake), _distances(real, others))]
    return Comparison(real, fake, training, over_floors=parts)


def _distances(real: FeatureSet, others: FeatureSet) -> list[Estimate]:
    """Return the Fréchet distance in two networks' features: as drawn, and their cube roots."""
    x, y = real.features, others.features
    return [frechet_estimate(x, y), frechet_estimate(np.cbrt(x), np.cbrt(y))]


def _estimates(comparison: Comparison, metrics: Collection[str]) -> Iterator[tuple[str, Estimate]]:
    for key in ALL:
        if key in metrics:
            yield key, METRICS[key].compute(comparison)


def _coverage(found: list[Estimate], key: str, known: float | None) -> Coverage:
    values = np.array([estimate.value for estimate in found])
    errors = np.array([estimate.error for estimate in found], np.float64)
    intervals = np.array([estimate.interval(METRICS[key].valid) for estimate in found], np.float64)
    truth = values.mean() if known is None else known
    held = (intervals[:, 0] <= truth) & (truth <= intervals[:, 1])
    return Coverage(held.mean(), float(np.sqrt(np.square(errors).mean()) / values.std(ddof=1)))


@click.command()
@click.option("--repetitions", default=REPETITIONS, show_default=True, type=click.IntRange(2))
@click.option("--metrics", default=",".join(ALL), show_default=True, help="Which, with commas.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of Markdown.")
def main(repetitions: int, metrics: str, as_json: bool) -> None:
    """Print the share of intervals that hold the true value, and of false alarms."""
    keys = metrics.split(",")
    unknown = [key for key in keys if key not in ALL]
    if unknown:
        raise click.BadParameter(f"{', '.join(unknown)}: choose from {', '.join(ALL)}.")
    with ProcessPoolExecutor(initializer=torch.set_num_threads, initargs=(1,)) as pool:
        covering = [pool.submit(coverage, case, repetitions, 0, keys) for case in CASES]
        alarming = [pool.submit(false_alarms, case, repetitions, 1, keys) for case in CASES]
        covered = [work.result() for work in covering]
        alarms = [work.result() for work in alarming]
    if as_json:
        names = [case.name for case in CASES]
        tables = zip(names, covered, alarms, strict=True)
        click.echo(json.dumps({name: {"covered": c, "alarms": a} for name, c, a in tables}))
        return
    click.echo(f"Share of 95 % intervals that hold the true value ({repetitions} repetitions; in")
    click.echo("brackets: stated standard error over true standard deviation)\n")
    _table([{k: f"{c.share:.3f} ({c.error_ratio:.2f})" for k, c in t.items()} for t in covered])
    click.echo(f"\nShare of {repetitions} pairs of equal generators that are called different\n")
    _table([{key: f"{share:.3f}" for key, share in table.items()} for table in alarms])


def _table(columns: list[dict[str, str]]) -> None:
    click.echo(f"| metric | {' | '.join(f'{c.name}, n = {c.n}, d = {c.d}' for c in CASES)} |")
    click.echo(f"|---|{'---|' * len(CASES)}")
    for key in columns[0]:
        click.echo(f"| `{key}` | {' | '.join(column[key] for column in columns)} |")


if __name__ == "__main__":
    main()
