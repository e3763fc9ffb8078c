"""The sampler of a trained VAE. torch is imported when one is made."""

from pathlib import Path

from facebench.training.sampler import ModelSampler, trained_model

MODEL_FILE = "model.safetensors"


class VAESampler(ModelSampler):
    """Decodes latents with the decoder of a run folder: the mean of p(x|z)."""

    def __init__(self, folder: Path, *, device: str = "cpu"):
        file = trained_model(folder, MODEL_FILE, "vae")
        from facebench_vae.model import load

        super().__init__(load(file).to(device))
