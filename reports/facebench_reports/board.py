"""The board that every report shows: Results grouped by protocol, then sorted and ranked.

Results of unlike protocols are never ranked together: each protocol has a board of its own, unless
that is forced. Then values alone rank them, for nothing is known of the noise between protocols.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from facebench.errors import BadInput
from facebench.metrics import paired
from facebench.metrics.multiplicity import Correction
from facebench.metrics.table import UNKNOWN, is_known
from facebench.results.result import Protocol, Result, Value, protocol_record
from facebench_reports.cells import Cell, cells_of
from facebench_reports.metric_columns import Column, Real, metric_columns
from facebench_reports.notes import Note, column_notes, remarks, row_notes


@dataclass(frozen=True)
class Row:
    """One model of a board. Models that cannot be told apart share a rank."""

    rank: int | None
    """None for rows that are out of the contest."""
    shared: bool
    interval: tuple[int, int] | None
    """Between which places it stands in 95 % of resamples."""
    result: Result
    cells: tuple[Cell | None, ...]
    """One per column, None where the metric is missing."""
    face_cells: tuple[Cell | None, ...] = ()
    """Likewise for the columns of faces."""
    forced: bool = False

    @property
    def place(self) -> str:
        """The rank as text: "2", "2=" where shared, "(2)" where forced, "—" where there is none."""
        if self.rank is None:
            return "—"
        return f"({self.rank})" if self.forced else f"{self.rank}{'=' if self.shared else ''}"

    @property
    def places(self) -> str:
        """The places of 95 % of resamples, where they are not the rank alone."""
        if self.interval is None or {*self.interval} == {self.rank}:
            return ""
        return "–".join(map(str, dict.fromkeys(self.interval)))


@dataclass(frozen=True)
class Board:
    """The Results of one protocol, best first; of several where that was forced."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[Note, ...]
    """What holds for rows."""
    column_notes: tuple[Note, ...]
    differing: tuple[str, ...] = ()
    """The protocol's fields in which the rows are not alike: none unless forced."""
    face_columns: tuple[Column, ...] = ()
    """The metrics of faces: no model is ranked by them, and their table is another."""
    correction: Correction = "none"
    """Of ranks, and of what is best, for the number of pairs that are tested."""

    @property
    def protocol(self) -> Protocol:
        """The rows' protocol; the first row's where it was forced."""
        return self.rows[0].result.protocol

    @property
    def ordering(self) -> Column:
        """The metric that orders the rows: FID or its kin where present, else the first."""
        return self.columns[0]

    @property
    def id(self) -> str:
        """The protocol's short digest."""
        return "forced" if self.differing else protocol_id(self.protocol)

    @property
    def results(self) -> list[Result]:
        """The rows' results."""
        return [row.result for row in self.rows]

    @property
    def reals(self) -> tuple[Real | None, ...]:
        """What the real images score, by column."""
        return tuple(column.real(self.results) for column in self.columns)

    @property
    def face_columns_in_brief(self) -> tuple[Column, ...]:
        """The columns of faces that stand where there is little room: no family's members.

        Of these there may be dozens; there it is said in which of them a model differs.
        """
        return tuple(column for column in self.face_columns if not column.is_of_many)

    @property
    def faces_in_brief(self) -> "Board | None":
        """Those columns as a board; None where there are none."""
        columns = self.face_columns_in_brief
        return self.of_faces(columns) if columns else None

    @property
    def of_many(self) -> tuple[Column, ...]:
        """The other columns of faces: of pose and of attributes."""
        return tuple(column for column in self.face_columns if column.is_of_many)

    def of_faces(self, columns: Sequence[Column]) -> "Board":
        """Return the same rows with some columns of faces in the place of all others."""
        places = [self.face_columns.index(column) for column in columns]
        rows = tuple(
            replace(row, cells=tuple(row.face_cells[i] for i in places), face_cells=())
            for row in self.rows
        )
        return replace(self, columns=tuple(columns), rows=rows, face_columns=())

    @property
    def knows_noise(self) -> bool:
        """Whether any value carries the pseudo-values that differences are judged by."""
        return any(value.groups for r in self.results for value in r.metrics.values())

    @property
    def pairs(self) -> int:
        """How many pairs of models were tested for their ranks."""
        values = [self.ordering.value(row.result) for row in self.rows if row.rank is not None]
        tested = sum(bool(value and value.groups) for value in values)
        return 0 if self.differing else tested * (tested - 1) // 2

    def marks(self, row: Row) -> str:
        """Return the letters of the notes that hold for `row` but not for all."""
        said = remarks(row.result)
        return "".join(n.mark for n in self.notes if n.mark and n.text in said)

    @property
    def notes_of_columns(self) -> tuple[Note, ...]:
        """The notes that hold for any of its columns."""
        titles = {column.title for column in self.columns}
        return tuple(note for note in self.column_notes if titles & {*note.subjects})

    def signs(self, column: Column) -> str:
        """Return the signs of the notes that hold for `column`."""
        return "".join(n.mark for n in self.column_notes if column.title in n.subjects)


_latest: list[
    tuple[list[Result], tuple[bool, Correction], list[Board]]
] = []  # what `boards` answered last


def boards(
    results: Sequence[Result], force: bool = False, correction: Correction = "none"
) -> list[Board]:
    """Return one board per protocol, the largest first; with `force`, one for all.

    All reporters ask in turn for the boards of the same Results, so the last answer is kept.
    """
    asked = force, correction
    for before, asked_before, found in _latest:
        if asked_before == asked and list(map(id, before)) == list(map(id, results)):
            return found
    found = _boards([_measured(result) for result in results], force, correction)
    _latest[:] = [(list(results), asked, found)]
    return found


def _boards(results: Sequence[Result], force: bool, correction: Correction) -> list[Board]:
    if force:
        return [_board(results, correction)]
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(protocol_id(result.protocol), []).append(result)
    largest_first = sorted(groups.items(), key=lambda g: (-len(g[1]), g[0]))
    return [_board(group, correction) for _, group in largest_first]


def protocol_id(protocol: Protocol) -> str:
    """Return 12 hexadecimal digits that are equal for equal protocols only."""
    canonical = json.dumps(protocol_record(protocol), sort_keys=True)
    return sha256(canonical.encode()).hexdigest()[:12]


def differences(boards: Sequence[Board]) -> list[str]:
    """Return the names of the protocol fields in which `boards` are not all alike."""
    return paired.differing_settings(*(board.protocol for board in boards))


def _board(results: Sequence[Result], correction: Correction) -> Board:
    columns, of_faces = _apart(metric_columns(results))
    if not columns:
        raise BadInput(
            f"The result of {results[0].model} holds no metric that is known here: evaluate it "
            "again, or install the package that brings its metrics."
        )
    ordered = sorted(
        results, key=lambda r: (columns[0].sort_key(r), r.model, protocol_id(r.protocol))
    )
    differing = tuple(paired.differing_settings(*(r.protocol for r in ordered)))
    return Board(
        columns,
        _rows(columns, of_faces, ordered, bool(differing), correction),
        row_notes(ordered),
        column_notes([*columns, *of_faces], ordered),
        differing,
        of_faces,
        correction,
    )


def _apart(columns: Sequence[Column]) -> tuple[tuple[Column, ...], tuple[Column, ...]]:
    """Return the columns of the table that ranks, and those of faces, which have their own.

    Where there is nothing but faces, these are the table.
    """
    of_faces = tuple(column for column in columns if column.is_of_faces)
    others = tuple(column for column in columns if not column.is_of_faces)
    return (others, of_faces) if others else (of_faces, ())


def _rows(
    columns: Sequence[Column],
    of_faces: Sequence[Column],
    results: Sequence[Result],
    forced: bool,
    correction: Correction,
) -> tuple[Row, ...]:
    """Return `results`, in their order, with ranks by the first column."""
    better = columns[0].metric.better
    values = [_judged(columns[0], result, forced) for result in results]
    ranks = paired.ranks(values, better, correction)
    places = paired.rank_intervals(values, better)
    held = [rank for rank, r in zip(ranks, results, strict=True) if not r.is_sanity]
    cells = cells_of(columns, results, forced, correction)
    face_cells = cells_of(of_faces, results, forced, correction)
    return tuple(
        Row(
            rank=None if result.is_sanity else ranks[i],
            shared=not result.is_sanity and held.count(ranks[i]) > 1,
            interval=places[i],
            result=result,
            cells=cells[i],
            face_cells=face_cells[i],
            forced=forced,
        )
        for i, result in enumerate(results)
    )


def _judged(column: Column, result: Result, forced: bool) -> Value | None:
    """Return the value that ranks `result`: none for checks, one without noise where forced."""
    value = None if result.is_sanity else column.value(result)
    return replace(value, groups=()) if value and forced else value


def _measured(result: Result) -> Result:
    """Drop what is not a number: it cannot be ranked, and JSON has no word for it.

    So is a metric whose package is not installed: nobody here knows which values are better.
    """
    metrics = {
        k: _finite(value)
        for k, value in result.metrics.items()
        if math.isfinite(value.value) and is_known(k)
    }
    unknown = [f"{k} is not shown: {UNKNOWN}" for k in result.metrics if not is_known(k)]
    return replace(result, metrics=metrics, notes=(*result.notes, *unknown))


def _finite(value: Value) -> Value:
    beside = ("error", "low", "high", "reference", "floor")
    wrong = [name for name in beside if not math.isfinite(getattr(value, name) or 0.0)]
    groups = value.groups if all(map(math.isfinite, value.groups)) else ()
    classes = {name: each for name, each in value.classes.items() if math.isfinite(each)}
    details = {k: x for k, x in value.details.items() if isinstance(x, str) or math.isfinite(x)}
    kept = {"groups": groups, "classes": classes, "details": details}
    return Value(**vars(value) | dict.fromkeys(wrong) | kept)
