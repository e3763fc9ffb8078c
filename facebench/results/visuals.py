"""What lies beside a Result for people to look at: pictures, and the points that plots are made of.

``results/exhibits/MODEL/`` holds ``exhibits.json`` and the pictures it names. An evaluation writes
them, reports read them; no score depends on them, and older Results that have none draw without.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from facebench.errors import BadInput
from facebench.files import read_json, write_json

FORMAT = "facebench-exhibits/1"
FOLDER = "exhibits"


@dataclass(frozen=True)
class Strip:
    """One picture of several images."""

    file: str
    """Its name in the model's folder."""
    columns: int
    """Images in a row."""
    size: int
    """Of one image, in pixels."""
    labels: tuple[str, ...]
    """What each row's first images are, e.g. "seed 12": one label per image, or per row."""
    distances: tuple[float, ...] = ()
    """In feature units: one per label."""


@dataclass(frozen=True)
class Plane:
    """Images as points: the first two principal components of the real images' features."""

    explained: tuple[float, float]
    """Each component's share of the real images' variance."""
    real: tuple[tuple[float, float], ...]
    model: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Exhibits:
    """Everything there is to show of one model."""

    identity: str = ""
    """A digest of all that it depends on: while it is the same, nothing is made again."""
    strips: dict[str, Strip] = field(default_factory=dict)
    """By what they show: "nearest", "farthest", "uncovered", "copies" and those of latents."""
    plane: Plane | None = None
    training: dict[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)
    """What the training logged, by name: steps and values."""


def exhibits_folder(results: Path, model: str) -> Path:
    """Return where the exhibits of `model` lie."""
    return results / FOLDER / model


def write_exhibits(exhibits: Exhibits, folder: Path) -> None:
    """Write ``folder/exhibits.json`` atomically."""
    write_json(folder / "exhibits.json", {"format": FORMAT, **asdict(exhibits)})


def read_exhibits(folder: Path) -> Exhibits:
    """Read ``folder/exhibits.json``; nothing to show where there is none or it is damaged."""
    if not (folder / "exhibits.json").is_file():
        return Exhibits()
    try:
        return _exhibits(read_json(folder / "exhibits.json"))
    except (BadInput, AttributeError, KeyError, TypeError, ValueError):
        return Exhibits()


def _exhibits(record: dict[str, Any]) -> Exhibits:
    if record["format"] != FORMAT:
        raise ValueError(f"its format is not {FORMAT}")
    plane = record["plane"]
    return Exhibits(
        identity=str(record["identity"]),
        strips={name: _strip(strip) for name, strip in record["strips"].items()},
        plane=plane and Plane(_point(plane["explained"]), *map(_points, _sides(plane))),
        training={str(name): _points(points) for name, points in record["training"].items()},
    )


def _strip(record: dict[str, Any]) -> Strip:
    return Strip(
        file=str(record["file"]),
        columns=int(record["columns"]),
        size=int(record["size"]),
        labels=tuple(map(str, record["labels"])),
        distances=tuple(map(float, record["distances"])),
    )


def _sides(plane: dict[str, Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    return plane["real"], plane["model"]


def _points(values: Sequence[Any]) -> tuple[tuple[float, float], ...]:
    return tuple(map(_point, values))


def _point(values: Sequence[Any]) -> tuple[float, float]:
    x, y = map(float, values)
    return x, y
