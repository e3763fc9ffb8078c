"""What people judged of a board's models: ``BOARD/arena/summary.json``.

``facebench arena`` writes it, reports read it. It names no judge.
"""

from pathlib import Path

import msgspec

from facebench.errors import BadInput
from facebench.files import file_digest, read_json, write_json
from facebench.results.result import Natural, Positive

FOLDER = "arena"
FILE = "summary.json"


class Estimate(msgspec.Struct, frozen=True):
    """A number with its 95 % interval."""

    value: float
    low: float | None = None
    """None where too little is known for an interval."""
    high: float | None = None


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """One model."""

    model: str
    pictures: str
    """The sha256 of its sample grid: what was judged. Of other pictures nothing is known."""
    strength: Estimate | None = None
    """Log-odds to be preferred to the mean of the models; None where no pair of it was judged."""
    rank: Positive | None = None
    """1 + the number of models that are stronger beyond noise."""
    pairs: Natural = 0
    """Judgements of pairs with one of its pictures."""
    won: float = 0
    """Of these, those in which it was preferred; a tie is half a one."""
    hype: Estimate | None = None
    """The mean of the two shares below: 0.5 where nobody can tell."""
    fooled: Estimate | None = None
    """The share of judgements that took a picture of it for a photograph."""
    singles: Natural = 0
    """Judgements of single pictures of it."""


class Agreement(msgspec.Struct, frozen=True):
    """Whether a metric puts models in the order in which people do."""

    metric: str
    models: tuple[str, ...]
    """Judged models that have it, under one protocol."""
    kendall: Estimate
    """Rank correlation tau-b with the strengths; 1 where the metric's best is the people's best."""
    spearman: Estimate


class LeftOut(msgspec.Struct, frozen=True):
    """Judges whose votes do not count, by the reason."""

    why: str
    judges: Natural
    votes: Natural


class Judgement(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="format", tag="facebench-arena/1"
):
    """All that was judged."""

    judges: Natural
    """Whose votes count."""
    pairs: Natural
    """Judgements of pairs, the ties among them."""
    singles: Natural
    """Judgements of single pictures."""
    skipped: Natural
    """Questions that a judge left unanswered."""
    outdated: Natural
    """Votes on pictures that the board no longer has: they do not count."""
    ties: Estimate | None = None
    """The share of pairs in which no picture was preferred."""
    left: Estimate | None = None
    """The share of preferences that fall on the left picture where two models are equal."""
    checks: Natural = 0
    """Attention checks, a photograph beside noise, of all judges."""
    failed: Natural = 0
    """Of these, how many were answered otherwise than by the photograph."""
    mistaken: Estimate | None = None
    """The share of judgements that took a photograph for a generated picture."""
    left_out: tuple[LeftOut, ...] = ()
    models: tuple[Judged, ...] = ()
    """The strongest first."""
    agreement: tuple[Agreement, ...] = ()
    notes: tuple[str, ...] = ()
    """What a reader must know beside the numbers."""
    created: str = ""
    """ISO 8601, UTC: when the last vote came that is in it."""


def arena_folder(board: Path) -> Path:
    """Return where votes on a board, and what they come to, lie."""
    return board / FOLDER


def write_judgement(judgement: Judgement, board: Path) -> Path:
    """Write ``BOARD/arena/summary.json`` atomically and return its path."""
    path = arena_folder(board) / FILE
    write_json(path, msgspec.to_builtins(judgement))
    return path


def read_judgement(board: Path) -> Judgement | None:
    """Read ``BOARD/arena/summary.json``; None where there is none or it is damaged."""
    path = arena_folder(board) / FILE
    try:
        return msgspec.convert(read_json(path), Judgement) if path.is_file() else None
    except (BadInput, msgspec.ValidationError):
        return None


def sample_grid(board: Path, name: str) -> Path:
    """Return where the sample grid of a model, or of real images, lies."""
    return board / "samples" / f"{name}.png"


def is_of_these_pictures(judged: Judged, board: Path) -> bool:
    """Say whether the pictures that were judged are those that the board has now."""
    grid = sample_grid(board, judged.model)
    return grid.is_file() and file_digest(grid) == judged.pictures
