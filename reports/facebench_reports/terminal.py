"""The leaderboard in a terminal."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.table import Table
from rich.text import Text

from facebench.metrics.multiplicity import Correction
from facebench.results.result import Result
from facebench.text import in_one_line
from facebench_reports import protocol_text
from facebench_reports.board import Board, Row, boards
from facebench_reports.cells import Cell
from facebench_reports.metric_columns import Real

_GAP = 2  # between columns of a table: one of padding, one of the box
_EDGES = 2  # the box's own
_DASH = Text("—", style="dim")


def terminal_table(
    results: Sequence[Result], force: bool = False, correction: Correction = "none"
) -> Group:
    """Return one table per protocol, with its notes, for a rich console to print."""
    groups = boards(results, force, correction)
    parts: list[RenderableType] = []
    for board in groups:
        parts += [*_heading(board), _Tables(board), *_faces(board), *_legend(board), Text()]
    if len(groups) > 1:
        parts.append(Text("Unlike protocols are never ranked together.", style="yellow"))
    return Group(*parts[:-1] if len(groups) == 1 else parts)


def to_terminal(
    results: Sequence[Result],
    folder: Path,
    force: bool = False,
    training_faces: bool = True,
    correction: Correction = "none",
) -> None:
    """Print the tables; `folder` and `training_faces` are there because reporters take them."""
    Console().print(terminal_table(results, force, correction))


def _faces(board: Board) -> Iterator[RenderableType]:
    """Yield the table of faces, where there is any."""
    if faces := board.faces_in_brief:
        yield Text("Faces", style="bold")
        yield _Tables(faces)
    for sentence in protocol_text.differing(board):
        yield Text(in_one_line(sentence), style="dim")


def _heading(board: Board) -> Iterator[RenderableType]:
    p = board.protocol
    if board.differing:
        differing = protocol_text.labels(board.differing, p)
        yield Text("Unlike protocols, forced into one table.", style="bold yellow")
        yield Text(f"These numbers cannot be compared. What differs: {differing}.", style="yellow")
        return
    against = f"{protocol_text.count(p.num)} images against {protocol_text.against(p)}"
    yield Text(in_one_line(against), style="bold")
    setting = f"{protocol_text.setting(p)}, protocol {board.id}"
    yield Text(in_one_line(setting), style="dim")


@dataclass(frozen=True)
class _Column:
    """One column of a table, before its width is known."""

    heading: Text
    texts: Sequence[Text]

    @property
    def width(self) -> int:
        """What its longest line takes; headings may break between words."""
        lines = [line for text in self.texts for line in text.plain.split("\n")]
        *words, arrow = self.heading.plain.rsplit(" ", 2)[-2:]
        return max(map(cell_len, [*lines, *self.heading.plain.split(), " ".join([*words, arrow])]))


@dataclass(frozen=True)
class _Tables:
    """A board as wide as the terminal: as one table, or as several below each other."""

    board: Board

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Table]:
        ranks, models, *metrics = _columns(self.board)
        names = min(models.width, options.max_width // 3)
        room = options.max_width - _EDGES - ranks.width - _GAP - names
        for columns in _packed(metrics, room):
            yield _table([ranks, models, *columns], names)


def _packed(columns: Sequence[_Column], room: int) -> Iterator[list[_Column]]:
    """Yield as many `columns` as fit into `room` at a time, at least one."""
    pack: list[_Column] = []
    for column in columns:
        if pack and sum(each.width + _GAP for each in [*pack, column]) > room:
            yield pack
            pack = []
        pack.append(column)
    yield pack


def _table(columns: Sequence[_Column], names: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, _GAP - 1, 0, 0), pad_edge=False)
    for index, column in enumerate(columns):
        is_model = index == 1
        table.add_column(
            column.heading,
            justify="left" if is_model else "right",
            overflow="fold",
            width=names if is_model else column.width,
        )
    for texts in zip(*(column.texts for column in columns), strict=True):
        table.add_row(*texts)
    return table


def _columns(board: Board) -> list[_Column]:
    """Return the places, the names and each metric, with the real images in a row above."""
    headings = [Text("#"), Text("model")]
    for column in board.columns:
        heading = Text(f"{column.title} {column.arrow}")
        headings.append(heading.append(board.signs(column), "not bold yellow"))
    rows = [
        [_place(row), _model(board, row), *(_text(cell, row) for cell in row.cells)]
        for row in board.rows
    ]
    if any(board.reals):
        real = Text("real images\n(noise floor)", "dim")
        rows.insert(0, [Text(), real, *map(_real, board.reals)])
    return [_Column(*each) for each in zip(headings, zip(*rows, strict=True), strict=True)]


def _place(row: Row) -> Text:
    return Text(row.place).append(f"\n{row.places}" if row.places else "", "dim")


def _model(board: Board, row: Row) -> Text:
    text = Text(in_one_line(row.result.model), "dim" if row.result.is_sanity else "")
    if marks := board.marks(row):
        text.append(f" {marks}", "not dim yellow")
    unlike = protocol_text.unlike(row.result.protocol, board.differing)
    return text.append(f"\n{in_one_line(unlike)}", "dim") if unlike else text


def _real(real: Real | None) -> Text:
    if real is None:
        return _DASH
    own = f"own {real.own}" if real.own else ""
    return Text("\n".join(filter(None, (real.floor, own))), "dim")


def _text(cell: Cell | None, row: Row) -> Text:
    """Set what belongs to a number below it, for a terminal is narrower than a page."""
    if cell is None:
        return _DASH
    style = "bold" if cell.best else "dim" if row.result.is_sanity else ""
    beside = f" {cell.ratio}" if cell.ratio else ""
    below = cell.interval or cell.error
    return Text(cell.number, style).append(beside + (below and f"\n{below}"), "not bold dim")


def _legend(board: Board) -> Iterator[RenderableType]:
    yield Text(" ".join([protocol_text.caption(board), *protocol_text.legend(board)]), style="dim")
    for note in (*board.notes, *board.column_notes):
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_row(Text(note.mark or "all", "yellow"), Text(in_one_line(note.text)))
        yield grid
