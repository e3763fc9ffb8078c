"""What a latent sampler can show beside samples: ways between seeds, along one direction, and back.

An adapter like others, so that models stay in processes of their own: seed *i* is picture *i*.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from facebench.data.dataset import open_dataset
from facebench.errors import BadInput
from facebench.files import read_json
from facebench.plugins import registry
from facebench.sampler import Encoder, Images, LatentSampler
from facebench.samplers.latent_walks import along, between, coordinate, latent_sampler, own_latents

COLUMNS = 8
"""Pictures in a row."""
ROWS = 3
"""Rows of interpolations, and as many of traversals."""
REACH = 3.0
"""How far a traversal goes to either side: three standard deviations, of normal latents."""
TOTAL = 2 * ROWS * COLUMNS
"""Pictures before the reconstructions: the interpolations row by row, then the traversals."""


class LatentVisuals:
    """Interpolations and traversals of a run's latent sampler, then what it makes of images."""

    def __init__(self, run: Path, *, data: str = "", device: str = "cpu"):
        """Open the model of a run folder by the adapter that its ``config.json`` names.

        `data` is the folder of the prepared data set to reconstruct, `device` the model's.
        """
        config = read_json(run / "config.json")
        model = registry.load(str(config.get("adapter")), run, device=device)
        self._model = latent_sampler(model, str(run))
        self._size, self._data, self._name = config.get("size"), Path(data), str(run)

    def sample(self, seeds: Sequence[int]) -> Images:
        """Return the pictures `seeds`, all below `TOTAL` or none.

        From there on they are the reconstructions of the data set's images, in order.

        Raises:
            BadInput: for a reconstruction where the model has no :class:`Encoder` for it.
        """
        if min(seeds) < TOTAL:
            return self._model.decode(_latents(self._model)[list(seeds)])
        return self._reconstructed([seed - TOTAL for seed in seeds])

    def _reconstructed(self, indices: Sequence[int]) -> Images:
        model, dataset = self._model, open_dataset(self._data)
        if not isinstance(model, Encoder):
            raise BadInput(f"{self._name} does not encode images.")
        if dataset.size != self._size:
            raise BadInput(f"{self._name} encodes {self._size} pixels a side, not {dataset.size}.")
        return model.decode(model.encode(dataset.sample(indices)))


def labels() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what each row of interpolations and of traversals shows.

    >>> labels()[0][0], labels()[1][0]
    ('seeds 0 to 1', 'latent 0')
    """
    ways = tuple(f"seeds {2 * row} to {2 * row + 1}" for row in range(ROWS))
    return ways, tuple(f"latent {row}" for row in range(ROWS))


def _latents(model: LatentSampler) -> Float32[np.ndarray, "n d"]:
    """Return the latents of all pictures."""
    points = own_latents(model, range(2 * ROWS))
    ways = [between(points[2 * row : 2 * row + 2], COLUMNS - 1) for row in range(ROWS)]
    z, width = points[0], points.shape[1]
    axes = (coordinate(row % width, width) for row in range(ROWS))
    return np.concatenate([*ways, *(along(z, axis, REACH, COLUMNS) for axis in axes)])
