"""A checkpoint of a flow's run as the model that the run would export at its step."""

from pathlib import Path

import torch

from facebench.training.checkpoints import open_checkpoint
from facebench_flow.model import Flow, build


def load_checkpoint(path: Path) -> tuple[Flow, tuple[Path, ...]]:
    """Return the averaged network at `path`, and the other files that it depends on."""
    kept = open_checkpoint(path, "flow")
    with kept.fitting():
        model = build(kept.config)
        arrays = kept.arrays("average/")
        model.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    return model.eval(), (kept.config_path,)
