"""The section "Faces" of a board: sentences and the likest pairs by model, then the numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from facebench_reports.bars import Bar, bars
from facebench_reports.board import Board, Row
from facebench_reports.cells import Cell
from facebench_reports.faces_text import Answer, answers, has_faces
from facebench_reports.metric_columns import Column
from facebench_reports.pictures import Captioned

LEAKS = "leaks"
"""The gallery that stands beside the sentences."""
_ATTRIBUTES = "share"


@dataclass(frozen=True)
class Told:
    """One model: what is known of its faces, and its likest pairs where they may be shown."""

    row: Row
    answers: Sequence[Answer]
    leaks: Captioned | None


@dataclass(frozen=True)
class Attribute:
    """The share of one attribute among the real faces and those of each model that is told of."""

    column: Column
    real: str
    cells: Sequence[Cell | None]

    @property
    def name(self) -> str:
        """What the data set calls it."""
        return self.column.key.removeprefix(f"{_ATTRIBUTES}_").replace("_", " ")

    @property
    def differing(self) -> int:
        """In how many models it differs from real faces beyond noise."""
        return sum(cell is not None and cell.differs is True for cell in self.cells)


@dataclass(frozen=True)
class FacesSection:
    """What the page shows of the faces on one board."""

    found_by: str
    """What looked for faces; empty where rows differ in it."""
    reach: Sequence[str]
    """How all models' numbers were found, and how far they reach."""
    told: Sequence[Told]
    left: int
    """Rows of which nothing is told for want of room."""
    board: Board | None
    """The metrics but the attributes' shares; None where the main table has them."""
    rows: Sequence[tuple[Row, tuple[Bar | None, ...]]]
    """Those of that board, each with the bars of its columns."""
    attributes: Sequence[Attribute]

    @property
    def models(self) -> list[tuple[Row, tuple[Bar | None, ...]]]:
        """The rows in the contest."""
        return [each for each in self.rows if not each[0].result.is_sanity]

    @property
    def checks(self) -> list[tuple[Row, tuple[Bar | None, ...]]]:
        """The other rows."""
        return [each for each in self.rows if each[0].result.is_sanity]


def faces_section(board: Board, leaks: dict[str, Captioned], most: int) -> FacesSection | None:
    """Return what there is to show of the faces of `board`: None where nobody looked for any.

    Args:
        board: the board.
        leaks: by model, the gallery of its likest pairs.
        most: models to tell of.
    """
    rows = [row for row in board.rows if has_faces(row.result)]
    if not rows:
        return None
    rows.sort(key=lambda row: row.result.is_sanity)
    reach, known = _reach_of_all([answers(row.result) for row in rows[:most]])
    told = [
        Told(row, of_row, leaks.get(row.result.model))
        for row, of_row in zip(rows, known, strict=False)
    ]
    columns = [c for c in board.face_columns if c.metric.key != _ATTRIBUTES]
    numbers = board.of_faces(columns) if columns else None
    return FacesSection(
        found_by="" if "faces" in board.differing else board.protocol.faces,
        reach=reach,
        told=told,
        left=len(rows) - len(told),
        board=numbers,
        rows=_with_bars(numbers) if numbers else [],
        attributes=_attributes(board, [each.row for each in told]),
    )


def _reach_of_all(
    known: Sequence[Sequence[Answer]],
) -> tuple[list[str], list[list[Answer]]]:
    """Return what holds for all models' numbers, and the answers without it."""
    reaches = [dict.fromkeys(text for a in of_row for text in a.reach) for of_row in known]
    said = [reach for reach in reaches if reach]
    common = [text for text in (said[0] if said else ()) if all(text in each for each in said)]
    rest = [
        [replace(a, reach=tuple(text for text in a.reach if text not in common)) for a in of_row]
        for of_row in known
    ]
    return common, rest


def _attributes(board: Board, rows: Sequence[Row]) -> list[Attribute]:
    """Return the attributes, those in which most models differ from real faces first."""
    found = []
    for i, column in enumerate(board.face_columns):
        if column.metric.key == _ATTRIBUTES:
            real, cells = column.real(board.results), [row.face_cells[i] for row in rows]
            found.append(Attribute(column, real.own if real else "", cells))
    return sorted(found, key=lambda attribute: -attribute.differing)


def _with_bars(board: Board) -> list[tuple[Row, tuple[Bar | None, ...]]]:
    found = zip(*(bars(column, board.results) for column in board.columns), strict=True)
    return [*zip(board.rows, found, strict=True)]
