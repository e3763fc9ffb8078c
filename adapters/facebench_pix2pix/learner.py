"""pix2pix as facebench.training sees it: a step of the discriminator and one of the U-Net."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from facebench.numerics.transfer import send
from facebench.sampler import Images, tensor_to_uint8
from facebench.training.images import to_network
from facebench.training.learner import State, choose, generator
from facebench.training.parallel import Group
from facebench.training.torch_state import Parts, arrays_of, restore
from facebench.translator import Answers
from facebench_pix2pix.losses import discriminator_loss, generator_loss, learning_rate
from facebench_pix2pix.model import PatchDiscriminator, UNet, built, save
from facebench_pix2pix.pairs import PairRows, Pairs, triples

SHOWN = 12
"""Pairs of the control grid, each of source, answer and target: two a row."""
BETAS = (0.5, 0.999)


class Pix2PixLearner:
    """Both networks, each with its Adam; all randomness comes from the seed and the step."""

    def __init__(
        self, config: dict[str, Any], learnt: PairRows, scored: PairRows, device: str, group: Group
    ):
        torch.manual_seed(config["seed"])
        self.config, self.group, self.scored = config, group, scored
        self.steps, self.images_per_step = config["steps"], config["batch_size"]
        self.generator = built(config).to(device)
        self.discriminator = PatchDiscriminator(config["size"], config["width"]).to(device)
        self.pairs = Pairs(learnt, config["jitter"], self.generator.device)
        self._adams = {net: self._adam(net) for net in (self.generator, self.discriminator)}
        self._parts: Parts = {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "generator_adam": self._adams[self.generator],
            "discriminator_adam": self._adams[self.discriminator],
        }
        if config["compile"]:
            for network in self._adams:
                network.compile()

    def step(self, number: int) -> dict[str, Any]:
        """Take one step of each network, the discriminator first; return their losses."""
        source, target, noise = self._batch(number)
        rate = learning_rate(self.config["lr"], number, self.steps)
        with self._arithmetic(source.device):
            answer = self.generator(source, noise)
            real = self.discriminator(source, target)
            fake = self.discriminator(source, answer.detach())
        d_loss = discriminator_loss(real.float(), fake.float())
        self._descend(self.discriminator, d_loss, rate)
        with self._arithmetic(source.device):
            fake = self.discriminator(source, answer)
        g_loss = generator_loss(fake.float())
        l1 = (answer.float() - target).abs().mean()
        self._descend(self.generator, g_loss + self.config["l1"] * l1, rate)
        return {"d_loss": d_loss.detach(), "g_loss": g_loss.detach(), "l1": l1.detach()}

    def answers(self) -> Answers:
        """Return the answers to the sources that were held back."""
        return self.generator.translate(self.scored.sources[:])

    def control_images(self) -> Images:
        """Return source, answer and target of the same pairs, which were held back."""
        rows = np.arange(SHOWN) % len(self.scored.sources)
        sources = self.scored.sources[rows]
        answers = self.generator.translate(sources)
        return triples(self.enlarged(sources), answers, self.scored.targets[rows])

    def enlarged(self, sources: Images) -> Answers:
        """Return `sources` as the U-Net is given them, in the size of its answers."""
        return tensor_to_uint8(self.generator.enlarged(to_network(sources)), -1.0, 1.0)

    def state(self) -> State:
        """Return weights and Adam's moments as arrays."""
        return arrays_of(self._parts)

    def restore(self, state: State) -> None:
        """Take weights and Adam's moments from arrays."""
        restore(self._parts, state)

    def save(self, path: Path) -> None:
        """Write the U-Net."""
        save(self.generator, path)

    def _batch(self, number: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return this process's share of the pairs and of the noise of step `number`."""
        rng, count = generator(self.config["seed"], number), self.config["batch_size"]
        choice, most = choose(len(self.pairs), count, rng), self.pairs.most_shift
        shifts = rng.integers(-most, most + 1, (count, 2))
        noise = rng.random((count, self.generator.noise_dim), dtype=np.float32)
        mine, device = self.group.share, self.generator.device
        source, target = map(to_network, self.pairs.take(choice.share(mine), shifts[mine]))
        return self.generator.enlarged(source), target, send(noise[mine], device)

    def _arithmetic(self, device: torch.device) -> torch.autocast:
        enabled = self.config["mixed_precision"]
        return torch.autocast(device.type, torch.bfloat16, enabled=enabled)

    def _descend(self, network: UNet | PatchDiscriminator, loss: Tensor, rate: float) -> None:
        """Take a step down `loss` with one network's weights, by all processes' gradients."""
        weights, adam = [*network.parameters()], self._adams[network]
        adam.param_groups[0]["lr"] = rate
        adam.zero_grad()
        torch.autograd.backward(loss, inputs=weights)
        self.group.average([each.grad for each in weights if each.grad is not None])
        adam.step()

    def _adam(self, network: UNet | PatchDiscriminator) -> torch.optim.Adam:
        # On a GPU by one kernel, from and to the same state: a run may go on elsewhere.
        fused = self.generator.device.type == "cuda" or None
        return torch.optim.Adam(network.parameters(), self.config["lr"], BETAS, fused=fused)
