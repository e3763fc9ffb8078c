"""The VAE as facebench.training sees it: ascent of the ELBO, with averaged weights to keep."""

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from facebench.numerics.transfer import send
from facebench.sampler import LatentSampler
from facebench.training.images import PlacedImages
from facebench.training.learner import ImageRows, State, choose, generator
from facebench.training.parallel import Group
from facebench.training.sampler import ModelSampler
from facebench.training.torch_state import Parts, arrays_of, restore
from facebench_vae.model import VAE, Elbo, save, to_network


class VAELearner:
    """The network, its moving average and Adam; all randomness comes from the seed and the step."""

    control_scale = 1.0

    def __init__(self, config: dict[str, Any], images: ImageRows, device: str, group: Group):
        torch.manual_seed(config["seed"])
        self.config, self.group = config, group
        self.steps, self.images_per_step = config["steps"], config["batch_size"]
        self.model = VAE(config["size"], config["latent_dim"], config["width"]).to(device)
        self.images = PlacedImages(images, self.model.device)
        self.average = copy.deepcopy(self.model)
        # On a GPU by one kernel, from and to the same state: a run may go on elsewhere.
        fused = self.model.device.type == "cuda" or None
        self.adam = torch.optim.Adam(self.model.parameters(), config["lr"], fused=fused)
        objective = _Objective(self.model, config)
        if config["compile"]:
            objective.compile()
        self.objective = group.wrap(objective)
        self._parts: Parts = {"model": self.model, "average": self.average, "adam": self.adam}

    def step(self, number: int) -> dict[str, Any]:
        """Take one step up the objective; return the ELBO of its batch and what it is made of."""
        images, noise = self._batch(number)
        weight = self.config["beta"] * warm_up(number, self.config["kl_warmup"])
        rate = self.config["lr"] * (1 + math.cos(math.pi * (number - 1) / self.steps)) / 2
        for group in self.adam.param_groups:
            group["lr"] = rate
        self.adam.zero_grad()
        elbo: Elbo = self.objective(images, noise)
        torch.autograd.backward(-(elbo.reconstruction - weight * elbo.kl).mean())
        self.adam.step()
        self._move_average(number)
        return means(elbo)

    def sampler(self) -> LatentSampler:
        """Return the sampler of the averaged network."""
        return ModelSampler(self.average)

    def state(self) -> State:
        """Return weights, averages and Adam's moments as arrays."""
        return arrays_of(self._parts)

    def restore(self, state: State) -> None:
        """Take weights, averages and Adam's moments from arrays."""
        restore(self._parts, state)

    def save(self, path: Path) -> None:
        """Write the averaged network."""
        save(self.average, path)

    def _batch(self, number: int) -> tuple[Tensor, Tensor]:
        """Return this process's share of the images and of the noise of step `number`."""
        rng, count = generator(self.config["seed"], number), self.config["batch_size"]
        choice = choose(len(self.images), count, rng)
        noise = rng.standard_normal((count, self.config["latent_dim"]), dtype=np.float32)
        mine = self.group.share
        images = self.images.take(choice.share(mine))
        return to_network(images), send(noise[mine], self.model.device)

    @torch.no_grad()
    def _move_average(self, number: int) -> None:
        """Average weights; BatchNorm's statistics are averages already and are taken as they are.

        That fits, unlike for the GAN, because the weights move little in a step.
        """
        decay = min(self.config["ema"], number / (number + 10))  # short while the weights run
        averages: list[Tensor] = [*self.average.parameters()]
        torch._foreach_lerp_(averages, [*self.model.parameters()], 1 - decay)
        torch._foreach_copy_([*self.average.buffers()], [*self.model.buffers()])


class _Objective(torch.nn.Module):
    """The ELBO of a batch, in bfloat16 where asked for."""

    def __init__(self, model: VAE, config: dict[str, Any]):
        super().__init__()
        self.model, self.config = model, config

    def forward(self, x: Tensor, noise: Tensor) -> Elbo:
        """Return the ELBO of each image."""
        enabled = self.config["mixed_precision"]
        with torch.autocast(x.device.type, torch.bfloat16, enabled=enabled):
            self.model.train()
            return self.model.elbo(x, self.config["sigma"], self.config["likelihood"], noise)


def warm_up(step: int, steps: int) -> float:
    """Return the weight of the KL, which rises to 1 over the first `steps` (Bowman et al. 2016).

    >>> warm_up(1, 0), warm_up(5, 10), warm_up(11, 10)
    (1.0, 0.5, 1.0)
    """
    return min(step / steps, 1.0) if steps else 1.0


def means(elbo: Elbo) -> dict[str, Tensor]:
    """Return the mean of the bound and of each of its terms, where they are: none is waited for."""
    terms: dict[str, Tensor] = {"elbo": elbo.total, **elbo._asdict()}
    return {name: term.detach().mean() for name, term in terms.items()}
