"""The sampler of a trained VAE. torch is imported when one is made."""

from pathlib import Path

import numpy as np
from jaxtyping import Float32

from facebench.errors import BadInput
from facebench.sampler import Images, LatentSampler

MODEL_FILE = "model.safetensors"


class VAESampler(LatentSampler):
    """Decodes latents with the decoder of a run folder, on the CPU: the mean of p(x|z)."""

    def __init__(self, folder: Path):
        if not folder.is_dir():
            raise BadInput(f"There is no run folder {folder}: make one with facebench train vae.")
        if not (folder / MODEL_FILE).is_file():
            raise BadInput(
                f"{folder} holds no {MODEL_FILE}: its training has not finished; "
                "run facebench train vae again."
            )
        from facebench_vae.model import load

        self.model = load(folder / MODEL_FILE)
        self.latent_dim = self.model.latent_dim

    def decode(self, z: Float32[np.ndarray, "n d"]) -> Images:
        """Return the images of latents `z`, in one forward pass."""
        from facebench_vae.model import render

        return render(self.model, z)
