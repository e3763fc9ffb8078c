"""What PyTorch learners of one network share: their steps, its moving average, and Adam."""

import copy
import math
from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from facebench.sampler import LatentSampler
from facebench.training.images import PlacedImages
from facebench.training.learner import ImageRows, State
from facebench.training.parallel import Group
from facebench.training.recorded import Function, Tensors, recorded
from facebench.training.sampler import ModelSampler
from facebench.training.torch_state import Parts, arrays_of, restore


class NetworkLearner(ABC):
    """One network, the moving average of its weights and Adam; a subclass says what is minimised.

    `config` has ``steps``, ``batch_size``, ``lr``, ``ema`` and ``compile``.
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
        self._parts: Parts = {"model": model, "average": self.average, "adam": self.adam}
        self._differentiated: Function = self._differentiate
        if group.size == 1 and not config["compile"]:  # of which few kernels are left to ask for
            self._differentiated = recorded(self._differentiate, self.device)

    @abstractmethod
    def batch(self, number: int) -> Tensors:
        """Return this process's share of what step `number` takes, where the network is.

        All randomness of a step is to come from the seed and the step's number.
        """

    @abstractmethod
    def losses(self, batch: Tensors) -> tuple[Tensor, Tensors]:
        """Return what is minimised, and what is told of the step."""

    def step(self, number: int) -> dict[str, Any]:
        """Take one step; return what `losses` tells of it."""
        told = self._differentiated(self.batch(number))
        self._descend(number)
        return dict(told)

    def sampler(self) -> LatentSampler:
        """Return the sampler of the averaged network."""
        return ModelSampler(self.average)

    def state(self) -> State:
        """Return weights, averages and Adam's moments as arrays."""
        return arrays_of(self._parts)

    def restore(self, state: State) -> None:
        """Take weights, averages and Adam's moments from arrays."""
        restore(self._parts, state)

    def _differentiate(self, batch: Tensors) -> Tensors:
        self.adam.zero_grad()
        loss, told = self.losses(batch)
        torch.autograd.backward(loss)
        return {name: value.detach() for name, value in told.items()}

    def _descend(self, number: int) -> None:
        """Take step `number` down the slope, at a rate that falls to 0 along a cosine."""
        rate = self.config["lr"] * (1 + math.cos(math.pi * (number - 1) / self.steps)) / 2
        for group in self.adam.param_groups:
            group["lr"] = rate
        self.adam.step()
        self._move_average(number)

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
