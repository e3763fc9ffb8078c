"""The sampler of a trained VAE. torch is imported when one is made."""

from pathlib import Path

from facebench.errors import BadInput
from facebench.plugins.run_checkpoints import is_checkpoint
from facebench.training.sampler import ModelSampler, trained_model

MODEL_FILE = "model.safetensors"


class VAESampler(ModelSampler):
    """Decodes latents with the decoder of a run folder, or of a checkpoint: the mean of p(x|z)."""

    def __init__(self, path: Path, *, data: str = "", device: str = "cpu"):
        """Open the model; `data` is of checkpoints whose run fits its prior in the end."""
        if is_checkpoint(path):
            from facebench_vae.checkpoint import load_checkpoint

            model, self.files = load_checkpoint(path, data, device)
            super().__init__(model)
            return
        if data:
            raise BadInput(f"{path} needs no data: that is for the checkpoints of a run.")
        file = trained_model(path, MODEL_FILE, "vae")
        from facebench_vae.model import load

        super().__init__(load(file).to(device))
