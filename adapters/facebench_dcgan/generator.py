"""A DCGAN's generator in memory: a run's at this moment, or that of a checkpoint."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from facebench.files import read_json
from facebench.sampler import Images, LatentSampler, to_uint8


class GeneratorSampler(LatentSampler):
    """Decodes latents with a generator; images of a stage below the full `size` are enlarged."""

    def __init__(self, network: Any, config: Mapping[str, Any], alpha: float):
        """Take the network of the run of `config`, faded in as far as `alpha`."""
        self.network, self.size, self.alpha = network, config["size"], alpha
        self.latent_dim = config["latent_dim"]

    def decode(self, z: Float32[np.ndarray, "n d"]) -> Images:
        """Return the images of latents `z`, in one forward pass."""
        fades = len(self.network.inputs) > 1
        fade = np.full((len(z), 1, 1, 1), self.alpha, np.float32)
        images = render(self.network, [z, fade] if fades else z)
        factor = self.size // images.shape[-1]
        return images.repeat(factor, 2).repeat(factor, 3)


def render(generator: Any, inputs: Any) -> Images:
    """Return the images that a Keras `generator` makes of its inputs, whatever the batch."""
    pixels = to_uint8(generator.predict_on_batch(inputs), -1, 1)
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))


def backend_of(path: Path) -> str:
    """Return what the run at `path` trains on, or what Keras runs on otherwise."""
    recorded = read_json(path / "config.json") if (path / "config.json").is_file() else {}
    own = recorded.get("backend") if isinstance(recorded, dict) else None
    return own or os.environ.get("KERAS_BACKEND") or "tensorflow"
