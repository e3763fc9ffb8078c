"""The VAE as facebench.training sees it: ascent of the ELBO."""

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
from facebench_vae.model import VAE, Elbo, save


class VAELearner(NetworkLearner):
    """The network in training; all randomness comes from the seed and the step."""

    average: VAE

    def __init__(self, config: dict[str, Any], images: ImageRows, device: str, group: Group):
        torch.manual_seed(config["seed"])
        model = VAE(config["size"], config["latent_dim"], config["width"]).to(device)
        super().__init__(model, config, images, group)
        objective = _Objective(model, config)
        if config["compile"]:
            objective.compile()
        self.objective = group.wrap(objective)

    def step(self, number: int) -> dict[str, Any]:
        """Take one step up the objective; return the ELBO of its batch and what it is made of."""
        images, noise = self._batch(number)
        weight = self.config["beta"] * warm_up(number, self.config["kl_warmup"])
        elbo: Elbo = self.objective(images, noise)
        self.descend(number, -(elbo.reconstruction - weight * elbo.kl).mean())
        return means(elbo)

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
        return to_network(images), send(noise[mine], self.device)


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
