"""The sampler of an eigenface run."""

from pathlib import Path

from facebench.plugins.run_checkpoints import is_checkpoint
from facebench.training.checkpoints import open_checkpoint
from facebench.training.sampler import ModelSampler, trained_model
from facebench_pca.model import checked, load

MODEL_FILE = "model.npz"


class PCASampler(ModelSampler):
    """Decodes latents with the eigenfaces of a run folder, or of a checkpoint of one.

    Latent i weighs eigenface i.
    """

    def __init__(self, path: Path):
        if is_checkpoint(path):
            kept = open_checkpoint(path, "pca")
            self.files = (kept.config_path,)
            with kept.fitting():
                super().__init__(checked({"size": kept.config["size"]} | kept.arrays()))
            return
        super().__init__(load(trained_model(path, MODEL_FILE, "pca")))
