"""The sampler of an eigenface run."""

from pathlib import Path

import numpy as np
from jaxtyping import Float32

from facebench.errors import BadInput
from facebench.sampler import Images, LatentSampler
from facebench_pca.model import load, render

MODEL_FILE = "model.npz"


class PCASampler(LatentSampler):
    """Decodes latents with the eigenfaces of a run folder; latent i weighs eigenface i."""

    def __init__(self, folder: Path):
        if not folder.is_dir():
            raise BadInput(f"There is no run folder {folder}: make one with facebench train pca.")
        if not (folder / MODEL_FILE).is_file():
            raise BadInput(
                f"{folder} holds no {MODEL_FILE}: its training has not finished; "
                "run facebench train pca again."
            )
        self.model = load(folder / MODEL_FILE)
        self.latent_dim = len(self.model.variances)

    def decode(self, z: Float32[np.ndarray, "n d"]) -> Images:
        """Return the images of latents `z`, clipped to 0 to 255 and rounded."""
        return render(self.model, z)
