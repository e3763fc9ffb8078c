"""The pictures of a board: its sample grids, cut apart."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from facebench.errors import BadInput
from facebench.files import file_digest
from facebench.results.judgement import sample_grid
from facebench.results.result import Result

REAL = "/real"
"""What stands for photographs in the place of a model's name, which holds no slash."""
NOISE = "/noise"
_GRID = 36  # images on a full sample grid


@dataclass(frozen=True)
class Contestant:
    """A model, or the real images: its pictures, and the digest of the file they are from."""

    name: str
    digest: str
    pictures: tuple[Image.Image, ...]


@dataclass(frozen=True)
class Gallery:
    """All that can be shown of a board."""

    models: tuple[Contestant, ...]
    real: Contestant | None
    """None where the board has no pictures of real images, as one made of others' bundles."""
    missing: tuple[str, ...]
    """Models without pictures."""

    @property
    def digests(self) -> dict[str, str]:
        """The digest of each contestant's pictures, by its name."""
        there = [*self.models, *([self.real] if self.real else [])]
        return {each.name: each.digest for each in there}

    def picture(self, name: str, number: int) -> Image.Image:
        """Return one picture, or noise of their size, which `number` is the seed of."""
        if name == NOISE:
            width, height = self.models[0].pictures[0].size
            noise = np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)
            return Image.fromarray(noise)
        there = [*self.models, *([self.real] if self.real else [])]
        return next(each for each in there if each.name == name).pictures[number]


def gallery(board: Path, results: Sequence[Result]) -> Gallery:
    """Return the pictures of a board's models, sanity checks left out, and of its real images.

    Raises:
        BadInput: no model has pictures, or a grid is none.
    """
    contest = [result for result in results if not result.is_sanity]
    there = [each for each in contest if sample_grid(board, each.model).is_file()]
    if not there:
        raise BadInput(
            f"{board / 'samples'} holds no model's pictures: facebench eval --out {board} puts "
            "them there."
        )
    models = tuple(_contestant(board, each.model, each.protocol.num) for each in there)
    missing = tuple(each.model for each in contest if each not in there)
    return Gallery(models, _real(board, there), missing)


def _real(board: Path, results: Sequence[Result]) -> Contestant | None:
    """Return the real images of all protocols, or None."""
    sizes = {
        f"reference-{p.dataset_digest[:12]}-{p.split}": p.num_reference
        for p in (result.protocol for result in results)
    }
    there = [name for name in sizes if sample_grid(board, name).is_file()]
    found = [_contestant(board, name, sizes[name]) for name in sorted(there)]
    if not found:
        return None
    digest = "+".join(each.digest for each in found)
    return Contestant(REAL, digest, tuple(p for each in found for p in each.pictures))


def _contestant(board: Path, name: str, images: int) -> Contestant:
    path = sample_grid(board, name)
    return Contestant(name, file_digest(path), cut(path, min(images or _GRID, _GRID)))


def cut(path: Path, count: int) -> tuple[Image.Image, ...]:
    """Return the first `count` squares of a sample grid, as ``facebench.data.grid`` laid them."""
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    try:
        with Image.open(path) as image:
            side = image.width // columns
            if image.size != (columns * side, rows * side):
                raise BadInput(
                    f"{path} is no grid of {columns}×{rows} squares: evaluate the model again."
                )
            sheet = image.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise BadInput(f"{path} cannot be read: {error}.") from error
    corners = (divmod(i, columns) for i in range(count))
    return tuple(
        sheet.crop((x * side, y * side, (x + 1) * side, (y + 1) * side)) for y, x in corners
    )


def as_png(picture: Image.Image) -> bytes:
    """Return a picture's pixels as PNG, and nothing besides."""
    stream = io.BytesIO()
    Image.fromarray(np.asarray(picture)).save(stream, "PNG")
    return stream.getvalue()
