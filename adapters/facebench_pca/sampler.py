"""The sampler of an eigenface run."""

from pathlib import Path

from facebench.training.sampler import ModelSampler, trained_model
from facebench_pca.model import load

MODEL_FILE = "model.npz"


class PCASampler(ModelSampler):
    """Decodes latents with the eigenfaces of a run folder; latent i weighs eigenface i."""

    def __init__(self, folder: Path):
        super().__init__(load(trained_model(folder, MODEL_FILE, "pca")))
