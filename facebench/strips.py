"""What a latent sampler can show beside samples: ways between seeds, along one direction, and back.

Adapters like others, so that models stay in processes of their own: seed *i* is picture *i*.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from facebench import registry
from facebench.data.dataset import open_dataset
from facebench.errors import BadInput
from facebench.files import read_json
from facebench.play import along, between, coordinate, latent_sampler
from facebench.sampler import Encoder, Images, LatentSampler, latents

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
        self._model = _latent_sampler(run)

    def sample(self, seeds: Sequence[int]) -> Images:
        """Return the pictures `seeds`, each below `TOTAL`."""
        return self._model.decode(_latents(self._model.latent_dim)[list(seeds)])


class Reconstructions:
    """What the model of a run makes of real images that it encodes."""

    def __init__(self, run: Path, *, data: str = ""):
        """Open the model, which must be an :class:`Encoder`, and the prepared data set `data`."""
        model, self._dataset = _latent_sampler(run), open_dataset(Path(data))
        if not isinstance(model, Encoder):
            raise BadInput(f"{run} does not encode images.")
        self._encode, self._decode = model.encode, model.decode
        size = read_json(run / "config.json").get("size")
        if size != self._dataset.size:
            raise BadInput(f"{run} encodes images of {size} pixels, not of {self._dataset.size}.")

    def sample(self, seeds: Sequence[int]) -> Images:
        """Return the reconstructions of the images numbered `seeds`."""
        return self._decode(self._encode(self._dataset.sample(seeds)))


def labels() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what each row of interpolations and of traversals shows.

    >>> labels()[0][0], labels()[1][0]
    ('seeds 0 to 1', 'latent 0')
    """
    ways = tuple(f"seeds {2 * row} to {2 * row + 1}" for row in range(ROWS))
    return ways, tuple(f"latent {row}" for row in range(ROWS))


def _latent_sampler(run: Path) -> LatentSampler:
    adapter = str(read_json(run / "config.json").get("adapter"))
    return latent_sampler(registry.load(adapter, run), str(run))


def _latents(width: int) -> Float32[np.ndarray, "n d"]:
    """Return the latents of all pictures."""
    ways = [between(latents([2 * row, 2 * row + 1], width), COLUMNS - 1) for row in range(ROWS)]
    (z,) = latents([0], width)
    axes = (coordinate(row % width, width) for row in range(ROWS))
    return np.concatenate([*ways, *(along(z, axis, REACH, COLUMNS) for axis in axes)])
