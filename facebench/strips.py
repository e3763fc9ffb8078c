"""What a latent sampler can show beside samples: ways between seeds, and along one direction.

An adapter like others, so that models stay in processes of their own: seed *i* is picture *i*.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from facebench import registry
from facebench.errors import BadInput
from facebench.files import read_json
from facebench.sampler import Images, latents

COLUMNS = 8
"""Pictures in a row."""
ROWS = 3
"""Rows of interpolations, and as many of traversals."""
REACH = 3.0
"""How far a traversal goes to either side, in standard deviations of the latent."""
TOTAL = 2 * ROWS * COLUMNS
"""Pictures: the interpolations row by row, then the traversals."""


class LatentStrips:
    """Interpolations and traversals of the latent sampler that a run holds."""

    def __init__(self, run: Path):
        """Open the model of a run folder by the adapter that its ``config.json`` names."""
        self._model = registry.load(str(read_json(run / "config.json").get("adapter")), run)
        if not (hasattr(self._model, "latent_dim") and hasattr(self._model, "decode")):
            raise BadInput(f"{run} is not the run of a latent sampler: it has no strips.")

    def sample(self, seeds: Sequence[int]) -> Images:
        """Return the pictures `seeds`, each below `TOTAL`."""
        width: int = self._model.latent_dim  # type: ignore[attr-defined]  # just looked for
        z = np.stack([_latent(seed, width) for seed in seeds])
        images: Images = self._model.decode(z)  # type: ignore[attr-defined]
        return images


def labels() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what each row of interpolations and of traversals shows.

    >>> labels()[0][0], labels()[1][0]
    ('seeds 0 to 1', 'latent 0')
    """
    ways = tuple(f"seeds {2 * row} to {2 * row + 1}" for row in range(ROWS))
    return ways, tuple(f"latent {row}" for row in range(ROWS))


def _latent(picture: int, width: int) -> Float32[np.ndarray, " d"]:
    row, column = divmod(picture, COLUMNS)
    way = column / (COLUMNS - 1)
    if row < ROWS:
        start, end = latents([2 * row, 2 * row + 1], width)
        return between(start, end, way)
    z = latents([0], width)[0]
    z[(row - ROWS) % width] = REACH * (2 * way - 1)
    return z


def between(
    a: Float32[np.ndarray, " d"], b: Float32[np.ndarray, " d"], way: float
) -> Float32[np.ndarray, " d"]:
    """Return a latent on the great circle from `a` (way 0) to `b` (way 1).

    On the straight line latents would be shorter than any that the model has seen (White 2016,
    1609.04468).
    """
    lengths = np.linalg.norm(a), np.linalg.norm(b)
    angle = np.arccos(np.clip(a @ b / (lengths[0] * lengths[1]), -1, 1))
    if np.sin(angle) < 1e-6:  # one direction, or opposite ones: there is no one circle
        return ((1 - way) * a + way * b).astype(np.float32)
    parts = np.sin((1 - way) * angle), np.sin(way * angle)
    return ((parts[0] * a + parts[1] * b) / np.sin(angle)).astype(np.float32)
