"""The sampler of a trained DCGAN, or of any Keras generator with outputs in [-1, 1]."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from facebench.errors import BadInput
from facebench.plugins.run_checkpoints import is_checkpoint
from facebench.sampler import Images, LatentSampler
from facebench.training.sampler import trained_model
from facebench_dcgan.generator import backend_of, render
from facebench_keras.runtime import start_keras
from facebench_models.kinds import KERAS, reading

MODEL_FILE = "generator.keras"


class DCGANSampler(LatentSampler):
    """Decodes latents with the generator of a run folder, of a checkpoint or of a ``.keras`` file.

    The file runs on any backend of Keras: the run's own, else ``KERAS_BACKEND``, else TensorFlow.

    Attributes:
        files: what the images depend on besides the path that was given and all that is in it.
    """

    files: tuple[Path, ...] = ()
    _decode: Callable[[Float32[np.ndarray, "n d"]], Images]

    def __init__(self, path: Path):
        if is_checkpoint(path):
            from facebench_dcgan.checkpoint import load_checkpoint

            sampler, self.files = load_checkpoint(path)
            self.latent_dim, self._decode = sampler.latent_dim, sampler.decode
            return
        file = _model_file(path)
        start_keras(backend_of(path))
        from facebench_keras.architecture import load_archive  # imports Keras

        with reading(file, KERAS, what="a DCGAN's generator"):
            generator = load_archive(file)
        self.latent_dim = _latent_dim(generator, file)
        self._decode = partial(render, generator)

    def decode(self, z: Float32[np.ndarray, "n d"]) -> Images:
        """Return the images of latents `z`, in one forward pass."""
        return self._decode(z)


def _model_file(path: Path) -> Path:
    if path.is_file() and path.suffix == ".keras":  # safe mode covers no other format
        return path
    return trained_model(path, MODEL_FILE, "dcgan")


def _latent_dim(generator: Any, file: Path) -> int:
    match generator.input_shape, generator.output_shape:
        case (None, int(latent_dim)), (None, int(), int(), 3):
            return latent_dim
    raise BadInput(
        f"{file} maps {generator.input_shape} to {generator.output_shape}, where a generator "
        "maps (None, latent dimensions) to (None, height, width, 3)."
    )
