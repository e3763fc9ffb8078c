"""A checkpoint of a pix2pix run as the model that the run would export at its step."""

from pathlib import Path

import torch

from facebench.training.checkpoints import open_checkpoint
from facebench_pix2pix.model import UNet, built


def load_checkpoint(path: Path) -> tuple[UNet, tuple[Path, ...]]:
    """Return the U-Net at `path`, and the other files that it depends on."""
    kept = open_checkpoint(path, "pix2pix")
    with kept.fitting():
        model = built(kept.config)
        arrays = kept.arrays("generator/")
        model.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    return model, (kept.config_path,)
