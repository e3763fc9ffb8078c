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
from facebench.training.recorded import Tensors
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

    def save(self, path: Path) -> None:
        """Write the averaged network."""
        save(self.average, path)

    def batch(self, number: int) -> Tensors:
        """Return this process's share of the images and noise of step `number`, and its weight."""
        rng, count = generator(self.config["seed"], number), self.config["batch_size"]
        choice = choose(len(self.images), count, rng)
        noise = rng.standard_normal((count, self.config["latent_dim"]), dtype=np.float32)
        weight = self.config["beta"] * warm_up(number, self.config["kl_warmup"])
        mine = self.group.share
        return {
            "x": to_network(self.images.take(choice.share(mine))),
            "noise": send(noise[mine], self.device),
            "weight": torch.full((), weight, device=self.device),
        }

    def losses(self, batch: Tensors) -> tuple[Tensor, Tensors]:
        """Return the negative ELBO, and what it is made of."""
        elbo: Elbo = self.objective(batch["x"], batch["noise"])
        loss = -(elbo.reconstruction - batch["weight"] * elbo.kl).mean()
        return loss, means(elbo)


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
