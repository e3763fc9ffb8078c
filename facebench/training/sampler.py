"""The sampler of a model in training, and the model of a finished run."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from facebench.errors import BadInput
from facebench.sampler import Images, LatentSampler


class ModelSampler(LatentSampler):
    """Decodes latents with a model that has `latent_dim`, `render(z)` and `invert(images)`."""

    files: tuple[Path, ...] = ()  # but the one that a subclass opens

    def __init__(self, model: Any):
        self.model, self.latent_dim = model, model.latent_dim

    def decode(self, z: Float32[np.ndarray, "n d"]) -> Images:
        """Return the images of latents `z`."""
        return self.model.render(z)

    def encode(self, images: Images) -> Float32[np.ndarray, "n d"]:
        """Return the latents that stand for `images`."""
        return self.model.invert(images)


def trained_model(folder: Path, model_file: str, adapter: str) -> Path:
    """Return the model file of a finished run, or raise BadInput saying how to get one."""
    if not folder.is_dir():
        raise BadInput(f"There is no run folder {folder}: make one with facebench train {adapter}.")
    if not (folder / model_file).is_file():
        raise BadInput(
            f"{folder} holds no {model_file}: its training has not finished; "
            f"run facebench train {adapter} again."
        )
    return folder / model_file
