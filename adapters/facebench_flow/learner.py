"""The flow as facebench.training sees it: descent of the velocity's error."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from facebench.numerics.transfer import send
from facebench.training.images import to_network
from facebench.training.learner import ImageRows, choose, generator
from facebench.training.network_learner import NetworkLearner
from facebench.training.parallel import Group
from facebench.training.recorded import Tensors
from facebench_flow.model import Flow, build, save


class FlowLearner(NetworkLearner):
    """The network in training; all randomness comes from the seed and the step."""

    average: Flow

    def __init__(self, config: dict[str, Any], images: ImageRows, device: str, group: Group):
        torch.manual_seed(config["seed"])
        model = build(config).to(device)
        super().__init__(model, config, images, group)
        objective = _Objective(model, config["mixed_precision"])
        if config["compile"]:
            objective.compile()
        self.objective = group.wrap(objective)

    def save(self, path: Path) -> None:
        """Write the averaged network."""
        save(self.average, path)

    def batch(self, number: int) -> Tensors:
        """Return this process's share of the images, noise and times of step `number`."""
        rng, count = generator(self.config["seed"], number), self.config["batch_size"]
        choice = choose(len(self.images), count, rng)
        noise = rng.standard_normal((count, *self.average.shape), dtype=np.float32)
        mine = self.group.share
        return {
            "x": to_network(self.images.take(choice.share(mine))),
            "z": send(noise[mine], self.device),
            "t": send(logit_normal(rng, count)[mine], self.device),
        }

    def losses(self, batch: Tensors) -> tuple[Tensor, Tensors]:
        """Return the velocity's mean squared error."""
        loss = self.objective(**batch).mean()
        return loss, {"loss": loss}


class _Objective(torch.nn.Module):
    """The error of a batch, in bfloat16 where asked for."""

    def __init__(self, model: Flow, mixed_precision: bool):
        super().__init__()
        self.model, self.mixed_precision = model, mixed_precision

    def forward(self, x: Tensor, z: Tensor, t: Tensor) -> Tensor:
        """Return each image's error."""
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.mixed_precision):
            return self.model.train().loss(x, z, t)


def logit_normal(rng: np.random.Generator, count: int) -> np.ndarray:
    """Draw times ``float32`` (count,) whose logit is standard normal: most near one half.

    Esser et al. 2024 (arXiv:2403.03206, section 3.1) found none better of many.
    """
    return 1 / (1 + np.exp(-rng.standard_normal(count, dtype=np.float32)))
