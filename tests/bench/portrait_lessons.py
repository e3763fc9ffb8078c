"""What the portrait network is taught: pictures, what Inception says of them, and what is known.

Kept in chunks of 500, each written whole, so that work that was ended goes on.
"""

from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

import numpy as np
from portrait_damage import damaged
from portrait_pictures import face_factors, picture
from shared_files import INCEPTION

from facebench import features as extractors
from facebench.features.extractor import Extractor
from facebench.files import atomic_path
from facebench.weights import WeightSource

CHUNK = 500
TEACHER = "inception@768"
_BATCH = 50


@dataclass(frozen=True)
class Lessons:
    """Of n pictures, everything that there is to learn."""

    images: np.ndarray
    """``uint8`` of shape (n, 3, 64, 64)."""
    teacher: np.ndarray
    """Inception's features, (n, 768)."""
    damage: np.ndarray
    """How strong each kind is, (n, 11)."""
    factors: np.ndarray
    """What the face was drawn from, (n, f); NaN where it is not one painted face."""


NAMES = tuple(each.name for each in fields(Lessons))


def chunk_path(folder: Path, chunk: int) -> Path:
    """Return where a chunk is kept."""
    return folder / f"lessons-{chunk:04}.npz"


def make(folder: Path, chunk: int) -> None:
    """Draw one chunk's pictures, ask the teacher, and keep both."""
    numbers = range(chunk * CHUNK, (chunk + 1) * CHUNK)
    drawn = [damaged(picture(number), number) for number in numbers]
    images = np.stack([image for image, _ in drawn])
    found = Lessons(
        images,
        _teacher().extract(images, _BATCH)["features"],
        np.stack([strengths for _, strengths in drawn]),
        np.stack([face_factors(number) for number in numbers]),
    )
    path = chunk_path(folder, chunk)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as partial, partial.open("wb") as stream:
        np.savez(stream, **vars(found))


def load(folder: Path, chunks: int) -> Lessons:
    """Return the lessons of the first chunks."""
    parts = [np.load(chunk_path(folder, chunk)) for chunk in range(chunks)]
    return Lessons(*(np.concatenate([part[name] for part in parts]) for name in NAMES))


@cache
def _teacher() -> Extractor:
    return extractors.create(TEACHER, WeightSource({"inception": INCEPTION}, trust=True), "cpu")
