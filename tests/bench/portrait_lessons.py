"""What the portrait network is taught: pictures, what Inception says of them, and what is known.

Kept in chunks of 500, each written whole, so that work that was ended goes on. A chunk is painted,
or of what one generator draws.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

import numpy as np
from portrait_damage import DAMAGE, GROUP, damaged
from portrait_generators import MODELS, drawn
from portrait_pictures import FACTORS, face_factors, picture
from shared_files import INCEPTION

from facebench import features as extractors
from facebench.features.extractor import Extractor
from facebench.files import atomic_path
from facebench.weights import WeightSource

CHUNK = 500
TEACHER = "inception@768"
_BATCH = 50
_FIRST_MADE = 2 * 10**7  # the number of damage to what is not painted


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


def chunk_names(painted: int) -> list[str]:
    """Return the names of all chunks, of which so many are painted."""
    return [f"painted-{number:03}" for number in range(painted)] + list(MODELS)


def chunk_path(folder: Path, name: str) -> Path:
    """Return where a chunk is kept."""
    return folder / "lessons" / f"{name}.npz"


def make(folder: Path, name: str) -> None:
    """Draw one chunk's pictures, ask the teacher, and keep both."""
    images, damage, factors = _painted(name) if name.startswith("painted") else _made(folder, name)
    teacher = _teacher().extract(images, _BATCH)["features"]
    path = chunk_path(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as partial, partial.open("wb") as stream:
        np.savez(stream, **vars(Lessons(images, teacher, damage, factors)))


Drawn = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Images, damage and factors."""


def _painted(name: str) -> Drawn:
    first = int(name.rpartition("-")[2]) * CHUNK
    numbers = range(first, first + CHUNK)
    images, damage = _damaged([picture(number) for number in numbers], numbers)
    return images, damage, np.stack([face_factors(number) for number in numbers])


def _made(folder: Path, model: str) -> Drawn:
    """Return what a model draws, every other group as it is."""
    images = drawn(folder, model, CHUNK).copy()
    damage = np.zeros((CHUNK, len(DAMAGE)), np.float32)
    first = _FIRST_MADE + MODELS.index(model) * CHUNK
    for start in range(0, CHUNK, 2 * GROUP):
        rows = slice(start, start + GROUP)
        numbers = range(first + start, first + start + GROUP)
        images[rows], damage[rows] = _damaged(list(images[rows].astype(np.float32)), numbers)
    return images, damage, np.full((CHUNK, len(FACTORS)), np.nan, np.float32)


def _damaged(pictures: Sequence[np.ndarray], numbers: range) -> tuple[np.ndarray, np.ndarray]:
    done = [damaged(image, number) for image, number in zip(pictures, numbers, strict=True)]
    return np.stack([image for image, _ in done]), np.stack([strengths for _, strengths in done])


def load(folder: Path, painted: int) -> Lessons:
    """Return the lessons of all chunks, of which so many are painted."""
    parts = [np.load(chunk_path(folder, name)) for name in chunk_names(painted)]
    return Lessons(*(np.concatenate([part[name] for part in parts]) for name in NAMES))


@cache
def _teacher() -> Extractor:
    return extractors.create(TEACHER, WeightSource({"inception": INCEPTION}, trust=True), "cpu")
