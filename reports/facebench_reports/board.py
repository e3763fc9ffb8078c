"""The board that every report shows: Results grouped by protocol, then sorted and ranked.

Results of unlike protocols are never ranked together: each protocol has a board of its own.
"""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256

from facebench.errors import BadInput
from facebench.metrics.table import METRICS, Metric, metric, title
from facebench.result import Protocol, Result
from facebench_reports import figures

_DIRECTIONS = {
    "lower": ("↓", "lower", "lower is better"),
    "higher": ("↑", "higher", "higher is better"),
    "reference": ("≈", "as real", "closest to the real images' own value is best"),
}


@dataclass(frozen=True)
class Column:
    """One metric of a board."""

    key: str

    @property
    def metric(self) -> Metric:
        """The metric's row in the table of metrics."""
        return metric(self.key)

    @property
    def title(self) -> str:
        """The heading, without direction."""
        return title(self.key)

    @property
    def arrow(self) -> str:
        """The direction as one character."""
        return _DIRECTIONS[self.metric.better][0]

    @property
    def short_direction(self) -> str:
        """The direction in a word or two."""
        return _DIRECTIONS[self.metric.better][1]

    @property
    def direction(self) -> str:
        """The direction as a sentence's end."""
        return _DIRECTIONS[self.metric.better][2]

    def badness(self, result: Result) -> float:
        """Return a number that sorts `result`: the lower the better, infinite where missing."""
        value = result.metrics.get(self.key)
        if value is None:
            return math.inf
        if self.metric.better == "reference":
            return math.inf if value.reference is None else abs(value.value - value.reference)
        return value.value if self.metric.better == "lower" else -value.value


@dataclass(frozen=True)
class Cell:
    """One value as text."""

    number: str
    error: str
    reference: str
    best: bool

    def __str__(self) -> str:
        beside = f" ({self.reference})" if self.reference else ""
        return f"{self.number}{self.error and ' '}{self.error}{beside}"


@dataclass(frozen=True)
class Row:
    """One model of a board. Equal values share a rank; rows without a value come last."""

    rank: int
    result: Result
    cells: tuple[Cell | None, ...]
    """One per column, None where the metric is missing."""


@dataclass(frozen=True)
class Note:
    """What a reader must know beside the numbers of some rows."""

    mark: str
    """The letter that ties it to its rows; empty where it holds for every row."""
    text: str
    models: tuple[str, ...]


@dataclass(frozen=True)
class Board:
    """The Results of one protocol, best first."""

    protocol: Protocol
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[Note, ...]

    @property
    def ordering(self) -> Column:
        """The metric that orders the rows: FID or its kin where present, else the first."""
        return self.columns[0]

    @property
    def id(self) -> str:
        """The protocol's short digest."""
        return protocol_id(self.protocol)

    def marks(self, row: Row) -> str:
        """Return the letters of the notes that hold for `row` but not for all."""
        return "".join(n.mark for n in self.notes if n.mark and n.text in row.result.notes)


def boards(results: Sequence[Result]) -> list[Board]:
    """Return one board per protocol, the largest first."""
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(protocol_id(result.protocol), []).append(_measured(result))
    return [_board(group) for _, group in sorted(groups.items(), key=lambda g: (-len(g[1]), g[0]))]


def metric_columns(results: Iterable[Result]) -> tuple[Column, ...]:
    """Return the metrics that any of `results` has, FID and its kin first, in table order."""
    keys = {key for result in results for key in result.metrics}
    return tuple(map(Column, sorted(keys, key=_table_order)))


def protocol_id(protocol: Protocol) -> str:
    """Return 12 hexadecimal digits that are equal for equal protocols only."""
    canonical = json.dumps(asdict(protocol), sort_keys=True)
    return sha256(canonical.encode()).hexdigest()[:12]


def differences(boards: Sequence[Board]) -> set[str]:
    """Return the names of the protocol fields in which `boards` are not all alike."""
    protocols = [asdict(board.protocol) for board in boards]
    return {name for one in protocols for name in one if one[name] != protocols[0][name]}


def _board(results: Sequence[Result]) -> Board:
    columns = metric_columns(results)
    if not columns:
        raise BadInput(f"The result of {results[0].model} holds no metric: evaluate it again.")
    order = columns[0].badness
    ranked = sorted(results, key=lambda r: (order(r), r.model))
    best = {column.key: _best(column, results) for column in columns}
    rows = tuple(
        Row(
            rank=1 + sum(order(other) < order(result) for other in results),
            result=result,
            cells=tuple(_cell(column, result, best[column.key]) for column in columns),
        )
        for result in ranked
    )
    return Board(results[0].protocol, columns, rows, _notes(ranked))


def _table_order(key: str) -> tuple[int, bool, str]:
    row = metric(key)
    return (list(METRICS).index(row.key), not key.startswith(row.key), key)


def _best(column: Column, results: Sequence[Result]) -> float:
    """Return the least badness of the column, or NaN (equal to nothing) if it has no contest."""
    found = [badness for r in results if (badness := column.badness(r)) < math.inf]
    return min(found) if len(found) > 1 else math.nan


def _cell(column: Column, result: Result, best: float) -> Cell | None:
    value = result.metrics.get(column.key)
    if value is None:
        return None
    return Cell(
        number=figures.number(column.key, value.value),
        error=figures.error(column.key, value),
        reference=figures.reference(column.key, value),
        best=column.badness(result) == best,
    )


def _notes(results: Sequence[Result]) -> tuple[Note, ...]:
    """Return each note once: those of every row first, then the lettered ones."""
    holders = {
        text: tuple(r.model for r in results if text in r.notes)
        for result in results
        for text in result.notes
    }
    shared = [text for text, models in holders.items() if len(models) == len(results)]
    others = [text for text in holders if text not in shared]
    marks = [""] * len(shared) + [_letter(index) for index in range(len(others))]
    return tuple(
        Note(mark, text, holders[text]) for mark, text in zip(marks, shared + others, strict=True)
    )


def _letter(index: int) -> str:
    return chr(ord("a") + index % 26) * (1 + index // 26)


def _measured(result: Result) -> Result:
    """Drop what is not a number: it cannot be ranked, and JSON has no word for it."""
    metrics = {
        key: replace(value, error=_finite(value.error), reference=_finite(value.reference))
        for key, value in result.metrics.items()
        if math.isfinite(value.value)
    }
    return replace(result, metrics=metrics)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
