"""The sampler of a trained flow. torch is imported when one is made."""

from pathlib import Path

from facebench.plugins.run_checkpoints import is_checkpoint
from facebench.training.sampler import ModelSampler, trained_model

MODEL_FILE = "model.safetensors"


class FlowSampler(ModelSampler):
    """Moves noise with the network of a run folder, or of a checkpoint."""

    def __init__(self, path: Path, *, device: str = "cpu"):
        if is_checkpoint(path):
            from facebench_flow.checkpoint import load_checkpoint

            model, self.files = load_checkpoint(path)
        else:
            file = trained_model(path, MODEL_FILE, "flow")
            from facebench_flow.model import load

            model = load(file)
        super().__init__(model.to(device))
