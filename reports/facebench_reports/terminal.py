"""The leaderboard in a terminal."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from facebench.result import Result
from facebench_reports import protocols
from facebench_reports.board import Board, Cell, Row, boards


def terminal_table(results: Sequence[Result]) -> Group:
    """Return one table per protocol, with its notes, for a rich console to print."""
    groups = boards(results)
    parts: list[RenderableType] = []
    for board in groups:
        parts += [*_heading(board), _table(board), *_notes(board), Text()]
    if len(groups) > 1:
        parts.append(Text("Unlike protocols are never ranked together.", style="yellow"))
    return Group(*parts[:-1] if len(groups) == 1 else parts)


def to_terminal(results: Sequence[Result], folder: Path) -> None:
    """Print the tables; `folder` is there because every reporter takes one."""
    Console().print(terminal_table(results))


def plain(text: str) -> str:
    r"""Return `text` without what could steer a terminal.

    >>> plain("a[bold]\x1b[31m")
    'a[bold]�[31m'
    """
    return "".join(c if c.isprintable() else "�" for c in text)


def _heading(board: Board) -> Iterator[RenderableType]:
    p = board.protocol
    against = f"{p.num:,} images against {p.num_reference:,} of {p.dataset} ({p.split} split)"
    yield Text(plain(against), style="bold")
    setting = f"crop {p.crop}, {p.size} px, {p.filter}, {p.extractor}, {p.precision}"
    yield Text(plain(f"{setting}, protocol {board.id}"), style="dim")


def _table(board: Board) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        caption=f"Ordered by {protocols.ordered_by(board.ordering)}. Bold: best of its column.",
        caption_justify="left",
    )
    table.add_column("#", justify="right")
    table.add_column("model", overflow="fold")
    for column in board.columns:
        table.add_column(Text(f"{column.title} {column.arrow}"), justify="right", overflow="fold")
    for row in board.rows:
        table.add_row(*_texts(board, row))
    return table


def _texts(board: Board, row: Row) -> Iterator[Text]:
    yield Text(str(row.rank))
    marks = board.marks(row)
    yield Text(plain(row.result.model)) + Text(f" {marks}" if marks else "", style="yellow")
    yield from map(_text, row.cells)


def _text(cell: Cell | None) -> Text:
    """Set what belongs to a number below it, for a terminal is narrower than a page."""
    if cell is None:
        return Text("—", style="dim")
    below = "\n".join(part for part in (cell.error, cell.reference) if part)
    return Text(cell.number, style="bold" if cell.best else "").append(
        f"\n{below}" if below else "", style="not bold dim"
    )


def _notes(board: Board) -> Iterator[RenderableType]:
    for note in board.notes:
        mark = note.mark or "all"
        yield Text(f" {mark}  ", style="yellow") + Text(plain(note.text))
