"""The leaderboard as one HTML file that asks nothing of the network.

It runs two scripts, which it carries: its own, and that of the plots. Its security policy names
both by their digests, so that no other script can run, whatever a model or a path is called.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

import facebench
from facebench.files import write_text
from facebench.metrics.multiplicity import Correction
from facebench.results.result import Protocol, Result
from facebench.results.versions import read_versions
from facebench.results.visuals import Visuals
from facebench.results.withheld import why_withheld
from facebench_reports import drawing, pairs, plots, protocol_text, theme, withheld
from facebench_reports.badges import LEGEND, badges, told, verdicts_of
from facebench_reports.bars import Bar, bars
from facebench_reports.board import Board, Row, boards, differences
from facebench_reports.faces_section import LEAKS, FacesSection, faces_section
from facebench_reports.pictures import (
    SHOWN,
    Captioned,
    Examples,
    Picture,
    examples,
    galleries,
    sample_grid,
)
from facebench_reports.versions import Frozen

PICTURED = 24
"""Rows whose pictures the page carries, the first of all boards: more would make it too large."""
_TO = "\N{WORD JOINER}\N{EN DASH}\N{WORD JOINER}"


@dataclass(frozen=True)
class Pictured:
    """The pictures of one row."""

    row: Row
    samples: Picture
    galleries: Sequence[Captioned]

    @property
    def closer_look(self) -> Sequence[Captioned]:
        """Its galleries but the one that stands in the section on faces."""
        return [each for each in self.galleries if each.key != LEAKS]


@dataclass(frozen=True)
class Section:
    """What the page shows of one board."""

    board: Board
    heading: str
    settings: list[protocol_text.Item]
    references: list[tuple[Picture, str]]
    """Sample grids of real images, with their names: one per set of them."""
    pictured: list[Pictured]
    """The rows that have their pictures on the page."""
    figures: list[plots.Figure]
    caveats: list[str]
    """What must be said where the numbers of each column stand."""
    bars: list[tuple[Bar | None, ...]]
    """By row and column."""
    data: dict[str, Any]
    """What the page's script needs."""
    faces: FacesSection | None
    """What is known of faces; None where nobody looked for any."""
    examples: Examples | None
    """Of image to image: sources, answers and truth side by side."""

    def seeds(self, row: Row) -> str:
        """Say which seeds, or answers, are on the sample grid of `row`."""
        first = row.result.first_seed
        shown = f"{first}{_TO}{first + min(SHOWN, row.result.protocol.num) - 1}"
        return f"{'answers' if row.result.protocol.pairs else 'seeds'} {shown}"

    @property
    def paired(self) -> bool:
        """Whether the same place on every model's sheet is the same seed."""
        return len({result.first_seed for result in self.board.results}) == 1

    @property
    def shows_copies(self) -> bool:
        """Whether any row has a gallery of nearest training images."""
        return any(each.key == "copies" for held in self.pictured for each in held.galleries)

    @property
    def has_gaps(self) -> bool:
        """Whether any row lacks a metric."""
        return any(None in row.cells for row in self.board.rows)

    @property
    def adapters(self) -> list[str]:
        """What opens the models, for choosing among them."""
        return sorted({r.adapter for r in self.board.results if not r.is_sanity})

    @property
    def models(self) -> list[tuple[int, Row]]:
        """The rows in the contest, by their places on the page."""
        return [(i, r) for i, r in enumerate(self.board.rows) if not r.result.is_sanity]

    @property
    def checks(self) -> list[tuple[int, Row]]:
        """The other rows."""
        return [(i, r) for i, r in enumerate(self.board.rows) if r.result.is_sanity]


def to_html(
    results: Sequence[Result],
    folder: Path,
    force: bool = False,
    training_faces: bool = True,
    correction: Correction = "none",
) -> Path:
    """Write ``folder/leaderboard.html``, with the pictures that lie in `folder`.

    Without `training_faces` no picture of a real person is on it: see
    :mod:`facebench_reports.withheld`.
    """
    groups = boards(results, force, correction)
    differing, verdicts = differences(groups), verdicts_of(results, folder)
    own_script = files("facebench_reports") / "templates" / "leaderboard.js"
    scripts = [drawing.script(), own_script.read_text("utf-8")]
    template = Environment(
        loader=PackageLoader("facebench_reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template("leaderboard.html")
    html = template.render(
        title=_title(groups),
        summary=protocol_text.summary(groups),
        differing=differing,
        differing_labels=protocol_text.labels(differing, groups[0].protocol),
        sections=_sections(groups, differing, folder, training_faces),
        withheld=[] if training_faces else withheld.sentences(results),
        frozen=Frozen(read_versions(folder)),
        protocols=protocol_text,
        version=facebench.__version__,
        updated=max(result.created for result in results),
        scripts=scripts,
        script_digests=" ".join(map(_policy_digest, scripts)),
        theme=theme.settings(),
        paired=pairs.PAIRED,
        plotted=plots.PLOTTED,
        badges=badges(results, verdicts),
        verdicts={model: told(verdict) for model, verdict in verdicts.items()},
        on_badges=LEGEND,
    )
    target = folder / "leaderboard.html"
    write_text(target, html)
    return target


def _title(groups: Sequence[Board]) -> str:
    are_of_pairs = all(result.protocol.pairs for board in groups for result in board.results)
    return f"{'Image-to-image' if are_of_pairs else 'Face generator'} leaderboard"


def _policy_digest(script: str) -> str:
    """Return how a security policy names a script: by what stands between its tags."""
    digest = sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _sections(
    groups: Sequence[Board], differing: Sequence[str], folder: Path, training_faces: bool
) -> list[Section]:
    sections, left = [], PICTURED
    for board in groups:
        sections.append(_section(board, differing, folder, left, training_faces))
        left -= len(sections[-1].pictured)
    return sections


def _section(
    board: Board, differing: Sequence[str], folder: Path, most: int, training_faces: bool
) -> Section:
    settings = protocol_text.brief(board.protocol, differing)
    visuals = drawing.visuals_of(board, folder)
    figures = plots.figures(board, visuals)
    models_first = sorted(board.rows, key=lambda row: row.result.is_sanity)
    pictured = [_pictured(row, folder, visuals, training_faces) for row in models_first[:most]]
    return Section(
        board=board,
        heading=protocol_text.unlike(board.protocol, differing) or "Leaderboard",
        settings=[item for item in settings if item.name not in board.differing],
        references=_references(board, folder) if training_faces else [],
        pictured=pictured,
        figures=figures,
        caveats=[column.caveat(board.results) for column in board.columns],
        bars=[*zip(*(bars(column, board.results) for column in board.columns), strict=True)],
        data={
            "figures": {
                figure.key: [{"spec": p.spec, "height": p.height} for p in figure.panels]
                for figure in figures
            },
            "orders": plots.orders(board),
            **pairs.comparisons(board, folder),
        },
        faces=faces_section(board, _leaks(pictured), PICTURED),
        examples=_examples(board, folder, pictured, visuals) if training_faces else None,
    )


def _pictured(
    row: Row, folder: Path, visuals: Mapping[str, Visuals], training_faces: bool
) -> Pictured:
    """Return the pictures of a row: without `training_faces` those that show no real person."""
    model, without = row.result.model, () if training_faces else withheld.GALLERIES
    if not training_faces and (why := why_withheld(row.result)):
        return Pictured(row, Picture(missing=why), [])
    found = galleries(folder, model, visuals[model], without) if model in visuals else []
    return Pictured(row, sample_grid(folder, model), found)


def _examples(
    board: Board, folder: Path, pictured: Sequence[Pictured], visuals: Mapping[str, Visuals]
) -> Examples | None:
    """Return what is shown side by side of image to image, in the order of the rows."""
    if not board.protocol.pairs or board.differing:
        return None
    models = [each.row.result.model for each in pictured]
    held = {model: visuals[model] for model in models if model in visuals}
    return examples(folder, _reference(board.protocol), held)


def _reference(protocol: Protocol) -> str:
    """Return the name of the sample grid of a reference."""
    return f"reference-{protocol.dataset_digest[:12]}-{protocol.split}"


def _leaks(pictured: Sequence[Pictured]) -> dict[str, Captioned]:
    """Return the galleries of the likest pairs, by model."""
    return {p.row.result.model: g for p in pictured for g in p.galleries if g.key == LEAKS}


def _references(board: Board, folder: Path) -> list[tuple[Picture, str]]:
    protocols = [result.protocol for result in board.results]
    sets = {_reference(p): f"{p.dataset}, {p.split} split" for p in protocols}
    return [(sample_grid(folder, name), told) for name, told in sets.items()]
