"""What lies beside a Result for people to look at: pictures, and the points that plots are made of.

``results/exhibits/MODEL/`` holds ``exhibits.json`` and the pictures it names. An evaluation writes
them, reports read them; no score depends on them, and older Results that have none draw without.
"""

from pathlib import Path

import msgspec

from facebench.errors import BadInput
from facebench.files import read_json, write_json
from facebench.results.result import Positive

# On disk the visuals are still called exhibits, and galleries strips, as in the folders and the
# schema that people have.
FOLDER = "exhibits"
FILE = "exhibits.json"

Curve = tuple[tuple[float, float], ...]
"""Points, each as x and y."""


class Gallery(msgspec.Struct, frozen=True):
    """One picture of several images."""

    file: str
    """Its name in the model's folder."""
    columns: Positive
    """Images in a row."""
    size: Positive
    """Of one image, in pixels."""
    labels: tuple[str, ...]
    """What each row's first images are, e.g. "seed 12": one label per image, or per row."""
    distances: tuple[float, ...] = ()
    """In feature units: one per label."""


class Plane(msgspec.Struct, frozen=True):
    """Images as points: the first two principal components of the real images' features."""

    explained: tuple[float, float]
    """Each component's share of the real images' variance."""
    real: Curve
    model: Curve


class Visuals(
    msgspec.Struct,
    frozen=True,
    tag_field="format",
    tag="facebench-exhibits/1",
    rename={"galleries": "strips"},
):
    """``exhibits/NAME/exhibits.json``: everything there is to show of one model."""

    identity: str = ""
    """A digest of all that it depends on: while it is the same, nothing is made again."""
    galleries: dict[str, Gallery] = {}
    """By what they show: "nearest", "farthest", "uncovered", "copies" and those of latents."""
    plane: Plane | None = None
    training: dict[str, Curve] = {}
    """What the training logged, by name (intervals' ends as interval_ends says): steps, values."""


def visuals_folder(results: Path, model: str) -> Path:
    """Return where the visuals of `model` lie."""
    return results / FOLDER / model


def write_visuals(visuals: Visuals, folder: Path) -> None:
    """Write ``folder/exhibits.json`` atomically."""
    write_json(folder / FILE, msgspec.to_builtins(visuals))


def read_visuals(folder: Path) -> Visuals:
    """Read ``folder/exhibits.json``; nothing to show where there is none or it is damaged."""
    path = folder / FILE
    try:
        return msgspec.convert(read_json(path), Visuals) if path.is_file() else Visuals()
    except (BadInput, msgspec.ValidationError):
        return Visuals()
