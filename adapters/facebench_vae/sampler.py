"""The sampler of a trained VAE. torch is imported when one is made."""

from pathlib import Path

import numpy as np
from jaxtyping import Float32

from facebench.sampler import Images, LatentSampler
from facebench.training import trained_model

MODEL_FILE = "model.safetensors"


class VAESampler(LatentSampler):
    """Decodes latents with the decoder of a run folder, on the CPU: the mean of p(x|z)."""

    files: tuple[Path, ...] = ()  # but the one that is named

    def __init__(self, folder: Path):
        file = trained_model(folder, MODEL_FILE, "vae")
        from facebench_vae.model import load

        self.model = load(file)
        self.latent_dim = self.model.latent_dim

    def decode(self, z: Float32[np.ndarray, "n d"]) -> Images:
        """Return the images of latents `z`, in one forward pass."""
        from facebench_vae.model import render

        return render(self.model, z)

    def encode(self, images: Images) -> Float32[np.ndarray, "n d"]:
        """Return the latents of the means of q(z|x)."""
        from facebench_vae.model import encode

        return encode(self.model, images)
