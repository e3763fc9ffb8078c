"""The trials of the validity table: what each metric says of each set, kept line by line.

A line is one metric's value, with its pseudo-values, of one strength of one check, in one trial.
Lines are added and never changed, the last of a kind counts, and what is there is not computed
again: a run that was killed goes on, a metric that is new is computed alone, and a larger number of
trials adds to those that there are.
"""

import json
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from validity_checks import CHECKS, Check, Draw, Pools, Sides
from validity_sets import Stage, Work

from facebench.engine.scores import recorded
from facebench.errors import BadInput
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
    """The values of one stage and N: a file for each trial, so that several can be made at once."""

    def __init__(self, folder: Path, stage: Stage, n: int, trial: int | None = None) -> None:
        """Read what there is, of all trials or of one."""
        self.folder = folder / "values" / f"{stage.data}-{stage.extractor}-{n}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._end: dict[Path, str] = {}  # what a file's last line lacks
        names = sorted(self.folder.glob("*.jsonl")) if trial is None else [self._path(trial)]
        self.values: dict[Line, Value] = {k: v for path in names for k, v in self._read(path)}
        self.trials = 1 + max((line.trial for line in self.values), default=-1)

    def add(self, line: Line, value: Value) -> None:
        """Keep a value."""
        self.values[line] = value
        self.trials = max(self.trials, line.trial + 1)
        record = asdict(line) | {"value": value.value, "reference": value.reference}
        path = self._path(line.trial)
        with path.open("a", encoding="utf-8") as stream:
            stream.write(self._end.pop(path, ""))
            stream.write(json.dumps(record | {"groups": list(value.groups)}) + "\n")

    def _path(self, trial: int) -> Path:
        return self.folder / f"{trial:04}.jsonl"

    def _read(self, path: Path) -> Iterator[tuple[Line, Value]]:
        if not path.exists():
            return
        whole = path.read_text(encoding="utf-8")
        self._end[path] = "" if whole.endswith("\n") else "\n"
        for text in whole.splitlines():
            try:
                record: dict[str, Any] = json.loads(text)
            except ValueError:  # a line that was being written when the run was killed
                continue
            value, reference = record.pop("value"), record.pop("reference")
            groups = tuple(record.pop("groups"))
            yield Line(**record), Value(value, None, None, None, reference, None, groups)


@dataclass(frozen=True)
class Asked:
    """Which entries are made."""

    metrics: Sequence[str] = ()
    """Keys; all that features tell of by default."""
    checks: Sequence[str] = ()
    """Names; all by default."""
    again: bool = False
    """Whether values that are kept are computed once more."""

    def rows(self) -> list[Metric]:
        """Return the metrics' rows."""
        rows = [row for row in METRICS.values() if row.needs in MEASURED]
        return [row for row in rows if not self.metrics or row.key in self.metrics]

    def levels(self, is_still_only: bool) -> Iterator[tuple[Check, int]]:
        """Yield the checks at each of their strengths, the generator without fault first."""
        for check in [CHECKS[name] for name in self.checks or CHECKS]:
            if not (is_still_only and check.aspect):
                yield from ((check, level) for level in (BASE, *range(len(check.strengths))))


def run(
    folder: Path, stage: Stage, n: int, trial: int, asked: Asked, is_still_only: bool = False
) -> int:
    """Compute the values of one trial that are not kept, and return how many they were.

    Args:
        folder: where features and values are kept.
        stage: which features.
        n: images a side.
        trial: its number, from 0.
        asked: which entries.
        is_still_only: whether only checks are made in which nothing is wrong.
    """
    lines = Lines(folder, stage, n, trial)
    draws = [Draw(_pools(folder, each), n, trial) for each in (stage, stage.random)]
    done = set() if asked.again else {*lines.values}
    count = len(lines.values)
    for check, level in asked.levels(is_still_only):
        every = {_line(row, check, level, trial): row for row in asked.rows()}
        wanted = {k: row for k, row in every.items() if _is_asked(row, check, stage, level)}
        for line, value in _values(_without(wanted, done), check, draws, level):
            lines.add(line, value)
        done |= {*wanted}
    return len(lines.values) - count


def _without(wanted: Mapping[Line, Metric], done: Set[Line]) -> dict[Line, Metric]:
    return {line: row for line, row in wanted.items() if line not in done}


@lru_cache(maxsize=2)
def _pools(folder: Path, stage: Stage) -> Pools:
    """Return a stage's features, which trials of one process share."""
    return Pools(Work(folder), stage)


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
    try:
        comparison = Comparison(*sides_of(check, draws[0], level), draws[0].training)
    except LookupError:
        return
    for line, row in wanted.items():
        if row.needs == "floors":
            parts = [_over_floor(check, draw, level) for draw in draws]
            comparison = replace(comparison, over_floors=parts)
        with suppress(BadInput):  # it is not defined of such a set
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
