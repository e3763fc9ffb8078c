"""The trials of the validity table: what each metric says of each set, kept line by line.

A line is one metric's value, with its pseudo-values, of one strength of one check, in one trial.
Lines are added and never changed, the last of a kind counts, and what is there is not computed
again: a run that was killed goes on, a metric that is new is computed alone, and a larger number of
trials adds to those that there are.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from validity_checks import CHECKS, Check, Draw, Pools, Sides
from validity_sets import Stage, Work

from facebench.engine.scores import recorded
from facebench.metrics.feature_sets import Comparison
from facebench.metrics.frechet import frechet_estimate
from facebench.metrics.frechet_ratio import OverFloor
from facebench.metrics.metric import Metric
from facebench.metrics.table import METRICS
from facebench.results.result import Value

MEASURED = ("features", "training", "labels", "floors")
"""What the kept features are enough for."""
BASE = -1
"""The level of the generator without fault."""


@dataclass(frozen=True)
class Line:
    """One value."""

    metric: str
    check: str
    """Empty for the ideal generator that most checks are compared with."""
    level: int
    trial: int


class Lines:
    """The values of one stage and N, in a file."""

    def __init__(self, folder: Path, stage: Stage, n: int) -> None:
        self.path = folder / "values" / f"{stage.data}-{stage.extractor}-{n}.jsonl"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._end = ""  # what the last line lacks
        self.values: dict[Line, Value] = dict(self._read())
        self.trials = 1 + max((line.trial for line in self.values), default=-1)

    def add(self, line: Line, value: Value) -> None:
        """Keep a value."""
        self.values[line] = value
        self.trials = max(self.trials, line.trial + 1)
        record = asdict(line) | {"value": value.value, "reference": value.reference}
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(self._end)
            self._end = ""
            stream.write(json.dumps(record | {"groups": list(value.groups)}) + "\n")

    def _read(self) -> Iterator[tuple[Line, Value]]:
        if not self.path.exists():
            return
        whole = self.path.read_text(encoding="utf-8")
        self._end = "" if whole.endswith("\n") else "\n"
        for text in whole.splitlines():
            try:
                record: dict[str, Any] = json.loads(text)
            except ValueError:  # a line that was being written when the run was killed
                continue
            value, groups = record.pop("value"), tuple(record.pop("groups"))
            yield (
                Line(**{k: v for k, v in record.items() if k != "reference"}),
                Value(value, None, None, None, record["reference"], None, groups),
            )


@dataclass(frozen=True)
class Trials:
    """How many there are: of checks where something is wrong, and of the others."""

    wrong: int
    still: int


def run(
    work: Work,
    stage: Stage,
    n: int,
    trials: Trials,
    metrics: Sequence[str] = (),
    checks: Sequence[str] = (),
    again: bool = False,
) -> Iterator[str]:
    """Compute the values that are not kept, or, `again`, all that are named; yield what was done.

    Args:
        work: where features and values are kept.
        stage: which features.
        n: images a side.
        trials: how many.
        metrics: keys; all that features tell of by default.
        checks: names; all by default.
        again: whether values that are kept are computed again.
    """
    lines = Lines(work.folder, stage, n)
    rows = [row for row in METRICS.values() if row.needs in MEASURED]
    rows = [row for row in rows if not metrics or row.key in metrics]
    pools = [Pools(work, each) for each in (stage, replace(stage, extractor="random"))]
    done: set[Line] = set() if again else {*lines.values}
    for trial in range(max(trials.wrong, trials.still)):
        draws = [Draw(each, n, trial) for each in pools]
        for check, level in _of_trial(trials, trial, checks):
            asked = {_line(row, check, level, trial): row for row in rows}
            wanted = {
                line: row
                for line, row in asked.items()
                if line not in done and _is_asked(row, check, stage, level)
            }
            for line, value in _values(wanted, check, draws, level):
                lines.add(line, value)
            done |= {*wanted}
        yield f"{stage.data}, {stage.extractor}, N = {n}, trial {trial + 1}"


def _of_trial(trials: Trials, trial: int, names: Sequence[str]) -> Iterator[tuple[Check, int]]:
    for check in [CHECKS[name] for name in names or CHECKS]:
        if trial < (trials.wrong if check.aspect else trials.still):
            yield from ((check, level) for level in (BASE, *range(len(check.strengths))))


def _is_asked(row: Metric, check: Check, stage: Stage, level: int) -> bool:
    """Leave out what is not known, and the fewer copies for metrics that look for none."""
    if check.is_of_factors and stage.data != "painted":
        return False
    if row.needs == "labels" and stage.data != "painted":
        return False
    if row.needs == "floors" and stage.extractor == "random":
        return False
    is_last = level == len(check.strengths) - 1
    return check.aspect != "copies" or "copies" in row.looks_at or is_last or level == BASE


def _line(row: Metric, check: Check, level: int, trial: int) -> Line:
    name = "" if level == BASE and check.base is None else check.name
    return Line(row.key, name, level, trial)


def _values(
    wanted: Mapping[Line, Metric], check: Check, draws: Sequence[Draw], level: int
) -> Iterator[tuple[Line, Value]]:
    """Yield what the metrics say; nothing where the pools hold too few images of the kind."""
    if not wanted:
        return
    with suppress(LookupError):
        comparison = Comparison(*sides_of(check, draws[0], level), draws[0].training)
        for line, row in wanted.items():
            if row.needs == "floors":
                parts = [_over_floor(check, draw, level) for draw in draws]
                comparison = replace(comparison, over_floors=parts)
            yield line, recorded(row.key, row.compute(comparison), None)


def sides_of(check: Check, draw: Draw, level: int) -> Sides:
    """Return the real and the generated images of a check at one level."""
    if level == BASE:
        return check.base(draw) if check.base else draw.base
    return check.make(draw, level)


def _over_floor(check: Check, draw: Draw, level: int) -> OverFloor:
    """Return a part of FDr, which is over this extractor's features and random ones."""
    real, fake = sides_of(check, draw, level)
    return OverFloor(frechet_estimate(real.features, fake.features), draw.floor)
