"""The sampler of an eigenface run."""

from pathlib import Path

import numpy as np
from jaxtyping import Float32

from facebench.sampler import Images, LatentSampler
from facebench.training import trained_model
from facebench_pca.model import load, render

MODEL_FILE = "model.npz"


class PCASampler(LatentSampler):
    """Decodes latents with the eigenfaces of a run folder; latent i weighs eigenface i."""

    files: tuple[Path, ...] = ()  # but the one that is named

    def __init__(self, folder: Path):
        file = trained_model(folder, MODEL_FILE, "pca")
        self.model = load(file)
        self.latent_dim = len(self.model.variances)

    def decode(self, z: Float32[np.ndarray, "n d"]) -> Images:
        """Return the images of latents `z`, clipped to 0 to 255 and rounded."""
        return render(self.model, z)

    def encode(self, images: Images) -> Float32[np.ndarray, "n d"]:
        """Return the latents of the projections of `images` on the eigenfaces."""
        return self.model.whiten(images).astype(np.float32)
