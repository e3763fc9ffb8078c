"""The leaderboard as one HTML file that asks nothing of the network and runs no script."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

import facebench
from facebench.files import write_text
from facebench.result import Result
from facebench_reports import protocols
from facebench_reports.board import Board, Row, boards, differences
from facebench_reports.pictures import SHOWN, Picture, model_picture, reference_picture

_TO = "\N{WORD JOINER}\N{EN DASH}\N{WORD JOINER}"


@dataclass(frozen=True)
class Reference:
    """A sample grid of real images."""

    picture: Picture
    name: str


@dataclass(frozen=True)
class Section:
    """What the page shows of one board."""

    board: Board
    heading: str
    settings: list[protocols.Item]
    references: list[Reference]
    """One per set of real images."""
    pictures: list[Picture]
    """One per row."""

    def seeds(self, row: Row) -> str:
        """Say which seeds are on the sample grid of `row`."""
        first = row.result.first_seed
        return f"{first}{_TO}{first + min(SHOWN, row.result.protocol.num) - 1}"

    @property
    def paired(self) -> bool:
        """Whether the same place on every model's sheet is the same seed."""
        return len({row.result.first_seed for row in self.board.rows}) == 1

    @property
    def has_gaps(self) -> bool:
        """Whether any row lacks a metric."""
        return any(None in row.cells for row in self.board.rows)


def to_html(results: Sequence[Result], folder: Path, force: bool = False) -> Path:
    """Write ``folder/leaderboard.html``, with the pictures of ``folder/samples``."""
    groups = boards(results, force)
    differing = differences(groups)
    html = (
        _environment()
        .get_template("leaderboard.html")
        .render(
            summary=protocols.summary(groups),
            differing=differing,
            differing_labels=protocols.labels(differing, groups[0].protocol),
            sections=[_section(board, differing, folder) for board in groups],
            protocols=protocols,
            version=facebench.__version__,
            updated=max(result.created for result in results),
        )
    )
    target = folder / "leaderboard.html"
    write_text(target, html)
    return target


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("facebench_reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _section(board: Board, differing: Sequence[str], folder: Path) -> Section:
    settings = protocols.brief(board.protocol, differing)
    return Section(
        board=board,
        heading=protocols.unlike(board.protocol, differing) or "Leaderboard",
        settings=[item for item in settings if item.name not in board.differing],
        references=_references(board, folder),
        pictures=[model_picture(folder, row.result.model) for row in board.rows],
    )


def _references(board: Board, folder: Path) -> list[Reference]:
    found = {
        (p.dataset_digest, p.split): Reference(
            reference_picture(folder, p), f"{p.dataset}, {p.split} split"
        )
        for p in (result.protocol for result in board.results)
    }
    return list(found.values())
