"""What PyTorch learners of one network share: its moving average, Adam, and both as arrays."""

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn

from facebench.sampler import LatentSampler
from facebench.training.images import PlacedImages
from facebench.training.learner import ImageRows, State
from facebench.training.parallel import Group
from facebench.training.sampler import ModelSampler


class NetworkLearner:
    """One network, the moving average of its weights and Adam; a subclass takes the steps.

    `config` has ``steps``, ``batch_size``, ``lr`` and ``ema``. All randomness of a step is to come
    from the seed and the step's number.
    """

    control_scale = 1.0

    def __init__(self, model: nn.Module, config: dict[str, Any], images: ImageRows, group: Group):
        self.model, self.config, self.group = model, config, group
        self.steps, self.images_per_step = config["steps"], config["batch_size"]
        self.device = next(model.parameters()).device
        self.images = PlacedImages(images, self.device)
        self.average = copy.deepcopy(model)
        # On a GPU by one kernel, from and to the same state: a run may go on elsewhere.
        fused = self.device.type == "cuda" or None
        self.adam = torch.optim.Adam(model.parameters(), config["lr"], fused=fused)

    def sampler(self) -> LatentSampler:
        """Return the sampler of the averaged network."""
        return ModelSampler(self.average)

    def descend(self, number: int, loss: Tensor) -> None:
        """Take step `number` down `loss`, at a rate that falls to 0 along a cosine."""
        rate = self.config["lr"] * (1 + math.cos(math.pi * (number - 1) / self.steps)) / 2
        for group in self.adam.param_groups:
            group["lr"] = rate
        self.adam.zero_grad()
        torch.autograd.backward(loss)
        self.adam.step()
        self._move_average(number)

    def state(self) -> State:
        """Return weights, averages and Adam's moments as arrays."""
        moments = {
            f"{index}/{name}": tensor
            for index, values in self.adam.state_dict()["state"].items()
            for name, tensor in values.items()
        }
        networks = {"model": self.model.state_dict(), "average": self.average.state_dict()}
        return {
            f"{part}/{name}": tensor.detach().cpu().numpy().copy()
            for part, tensors in (networks | {"adam": moments}).items()
            for name, tensor in tensors.items()
        }

    def restore(self, state: State) -> None:
        """Take weights, averages and Adam's moments from arrays."""
        tensors = {name: torch.from_numpy(array) for name, array in state.items()}
        self.model.load_state_dict(_part(tensors, "model/"))
        self.average.load_state_dict(_part(tensors, "average/"))
        moments: dict[int, dict[str, Tensor]] = {}
        for key, tensor in _part(tensors, "adam/").items():
            index, _, name = key.partition("/")
            moments.setdefault(int(index), {})[name] = tensor
        self.adam.load_state_dict(self.adam.state_dict() | {"state": moments})
        for weights, kept in self.adam.state.items():  # one kernel reads them all in one order
            for name in ("exp_avg", "exp_avg_sq"):
                kept[name] = torch.empty_like(weights).copy_(kept[name])

    @torch.no_grad()
    def _move_average(self, number: int) -> None:
        """Average weights; BatchNorm's statistics are averages already and are taken as they are.

        That fits, unlike for the GAN, because the weights move little in a step.
        """
        decay = min(self.config["ema"], number / (number + 10))  # short while the weights run
        averages: list[Tensor] = [*self.average.parameters()]
        torch._foreach_lerp_(averages, [*self.model.parameters()], 1 - decay)
        kept: list[Tensor] = [*self.average.buffers()]
        if kept:
            torch._foreach_copy_(kept, [*self.model.buffers()])


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
