"""The leaderboard as text to paste: Markdown for a README, LaTeX (booktabs) for a paper."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from facebench.files import write_text
from facebench.metrics.multiplicity import Correction
from facebench.results.result import Result
from facebench.text import in_one_line
from facebench_reports import protocol_text
from facebench_reports.board import Board, Row, boards
from facebench_reports.cells import Cell
from facebench_reports.metric_columns import Column

_LATEX = str.maketrans(
    {
        **{character: f"\\{character}" for character in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "↓": r"$\downarrow$",
        "↑": r"$\uparrow$",
        "≈": r"$\approx$",
        "∞": r"$_\infty$",
        "\N{MINUS SIGN}": "$-$",
        "×": r"$\times$",
        "±": r"$\pm$",
        "–": "--",
        "—": "---",
        "†": r"\dag{}",
        "‡": r"\ddag{}",
        "§": r"\S{}",
        "¶": r"\P{}",
        "√": r"$\surd$",
        **{raised: f"$^{digit}$" for raised, digit in zip("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789", strict=True)},
        "⁻": "$^-$",
    }
)
_MARKDOWN = str.maketrans({character: f"\\{character}" for character in r"\`*_{}[]<>#|~&"})


@dataclass(frozen=True)
class _Markup:
    """How one form sets text: what comes from outside is always escaped."""

    escape: Callable[[str], str]
    bold: Callable[[str], str]
    quiet: Callable[[str], str]


def to_markdown(
    results: Sequence[Result],
    folder: Path,
    force: bool = False,
    training_faces: bool = True,
    correction: Correction = "none",
) -> Path:
    """Write ``folder/leaderboard.md`` and return its path."""
    target = folder / "leaderboard.md"
    write_text(target, "\n\n".join(map(_markdown, boards(results, force, correction))) + "\n")
    return target


def to_latex(
    results: Sequence[Result],
    folder: Path,
    force: bool = False,
    training_faces: bool = True,
    correction: Correction = "none",
) -> Path:
    r"""Write ``folder/leaderboard.tex`` and return its path: tables to ``\input``."""
    head = "% Needs \\usepackage{booktabs}. Bold: no model of the column is better beyond noise."
    target = folder / "leaderboard.tex"
    write_text(target, "\n\n".join([head, *map(_latex, boards(results, force, correction))]) + "\n")
    return target


def escape_latex(text: str) -> str:
    r"""Return `text` as LaTeX sets it.

    >>> escape_latex("50 % of a_b"), escape_latex("\\input{x}")
    ('50 \\% of a\\_b', '\\textbackslash{}input\\{x\\}')
    """
    return in_one_line(text, "?").translate(_LATEX)


def escape_markdown(text: str) -> str:
    r"""Return `text` as Markdown shows it, on one line.

    >>> escape_markdown("<b>|x_y")
    '\\<b\\>\\|x\\_y'
    """
    return in_one_line(text, "?").translate(_MARKDOWN)


_AS_MARKDOWN = _Markup(escape_markdown, "**{}**".format, "<sub>{}</sub>".format)
_AS_LATEX = _Markup(escape_latex, r"\textbf{{{}}}".format, r"{{\scriptsize {}}}".format)


def _markdown(board: Board) -> str:
    faces = board.faces_in_brief
    words = "\n".join(f"- {escape_markdown(sentence)}" for sentence in _words(board))
    return "\n\n".join([_grid(board), *([_grid(faces)] if faces else []), words])


def _grid(board: Board) -> str:
    head = ["#", "Model", *(_heading(board, c, escape_markdown) for c in board.columns)]
    rows = [head, ["--:", ":--", *("--:" for _ in board.columns)], *_rows(board, _AS_MARKDOWN)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _latex(board: Board) -> str:
    faces = board.faces_in_brief
    notes = [f"% {escape_latex(sentence)}" for sentence in _words(board)]
    return "\n".join([*notes, _tabular(board), *(["", _tabular(faces)] if faces else [])])


def _tabular(board: Board) -> str:
    headings = [r"\#", "Model", *(_heading(board, c, escape_latex) for c in board.columns)]
    head, *rows = (f"{' & '.join(row)} \\\\" for row in [headings, *_rows(board, _AS_LATEX)])
    begin = rf"\begin{{tabular}}{{rl{'r' * len(board.columns)}}}"
    rules = [r"\toprule", head, r"\midrule", *rows, r"\bottomrule"]
    return "\n".join([begin, *rules, r"\end{tabular}"])


def _heading(board: Board, column: Column, escape: Callable[[str], str]) -> str:
    caveat = column.caveat(board.results)
    words = f"{column.title} {column.arrow}" + (f" ({caveat})" if caveat else "")
    return escape(words + board.signs(column))


def _rows(board: Board, markup: _Markup) -> Iterator[list[str]]:
    """Yield the real images' row, then the models', then the checks'."""
    if any(board.reals):
        real = [markup.escape(real.floor) if real and real.floor else "" for real in board.reals]
        yield ["", "real images", *real]
    for row in sorted(board.rows, key=lambda row: row.result.is_sanity):
        cells = [_cell(cell, markup) for cell in row.cells]
        yield [markup.escape(row.place), _name(board, row, markup), *cells]


def _name(board: Board, row: Row, markup: _Markup) -> str:
    name = markup.escape(row.result.model + board.marks(row))
    unlike = protocol_text.unlike(row.result.protocol, board.differing)
    return f"{name} {markup.quiet(markup.escape(unlike))}" if unlike else name


def _cell(cell: Cell | None, markup: _Markup) -> str:
    if cell is None:
        return markup.escape("—")
    number = markup.escape(cell.number)
    beside = cell.error or (cell.interval and f"[{cell.interval}]")
    number = markup.bold(number) if cell.best else number
    return f"{number} {markup.quiet(markup.escape(beside))}" if beside else number


def _words(board: Board) -> Iterator[str]:
    """Yield what a reader of the table must know."""
    p = board.protocol
    if board.differing:
        unlike = protocol_text.labels(board.differing, p)
        yield f"Unlike protocols, forced into one table: {unlike}."
    else:
        yield (
            f"{protocol_text.count(p.num)} images each against {protocol_text.against(p)}, "
            f"{protocol_text.setting(p)}; protocol {board.id}."
        )
    yield protocol_text.caption(board)
    yield "± is one standard error; real images: what other real images score in a model's place."
    yield from protocol_text.differing(board)
    for note in (*board.notes, *board.column_notes):
        yield f"{note.mark or 'All'}: {note.text}"
