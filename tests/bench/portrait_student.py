"""The portrait network at school: it learns what Inception says, and what is wrong."""

import math
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
import torch
from jaxtyping import Float, Float32
from portrait_lessons import Lessons
from torch import Tensor, nn

from facebench.errors import BadInput
from facebench.features.portrait import POOLED, PortraitNetwork, to_network
from facebench.files import atomic_path

BATCH = 128
RATE = 2e-3
DECAY = 0.02
WARM_UP = 300
SAVE_EVERY = 250
WEIGHTS = {"teacher": 1.0, "damage": 0.3, "factors": 0.1}
"""Of what is learnt."""


@dataclass(frozen=True)
class Targets:
    """What is learnt, by image: in units in which all of it varies by about 1."""

    teacher: Float32[np.ndarray, "n 768"]
    damage: Float32[np.ndarray, "n k"]
    factors: Float32[np.ndarray, "n f"]


class Scales(NamedTuple):
    """How the teacher's features became targets: (features - mean) / scale."""

    mean: Float32[np.ndarray, " 768"]
    scale: float


class Student(nn.Module):
    """The network with a linear head for each subject."""

    def __init__(self, widths: dict[str, int]):
        super().__init__()
        self.trunk = PortraitNetwork(normalised=True)
        self.heads = nn.ModuleDict({name: nn.Linear(POOLED, n) for name, n in widths.items()})

    def weights_of(self, subject: str) -> Float[Tensor, "d n"]:
        """Return the linear map from what is pooled to what is said of a subject."""
        weights: Tensor = self.heads[subject].get_parameter("weight")
        return weights.T

    def forward(self, x: Float[Tensor, "n 3 64 64"]) -> dict[str, Tensor]:
        """Return what it says of each subject."""
        pooled = self.trunk(x)
        return {name: head(pooled) for name, head in self.heads.items()}


def targets(lessons: Lessons) -> tuple[Targets, Scales]:
    """Return what there is to learn, and how to find the teacher's features in it again.

    Those are divided by one number, the root of their mean variance, so that errors count as they
    count in distances.
    """
    mean = lessons.teacher.mean(0)
    scale = float(np.sqrt(lessons.teacher.var(0).mean()))
    factors = lessons.factors - np.nanmean(lessons.factors, 0)
    factors = factors / np.nanstd(lessons.factors, 0)
    teacher = (lessons.teacher - mean) / scale
    return Targets(teacher, lessons.damage / 0.3, factors), Scales(mean, scale)


class School:
    """A student, its optimiser and where they are kept."""

    def __init__(self, folder: Path, lessons: Lessons, steps: int, seed: int = 0):
        """Begin anew, or go on from what `folder` has."""
        torch.manual_seed(seed)
        self.images, self.steps, self.seed = lessons.images, steps, seed
        self.targets, self.scales = targets(lessons)
        widths = {name: each.shape[1] for name, each in vars(self.targets).items()}
        self.student = Student(widths).to(memory_format=torch.channels_last)
        self.adam = torch.optim.AdamW(self.student.parameters(), RATE, weight_decay=DECAY)
        self.path, self.done = folder / "school.pt", 0
        self.origin = {
            "steps": str(steps),
            "seed": str(seed),
            "pictures": str(len(lessons.images)),
            "lessons": sha256(lessons.images.tobytes() + lessons.teacher.tobytes()).hexdigest(),
        }
        if self.path.exists():
            kept = torch.load(self.path, weights_only=True)
            if kept["origin"] != self.origin:
                raise BadInput(f"{self.path} learnt otherwise: remove it, or give another --work.")
            self.student.load_state_dict(kept["student"])
            self.adam.load_state_dict(kept["adam"])
            self.done = kept["done"]

    def learn(self) -> None:
        """Take the steps that are left."""
        self.learn_until(self.steps)

    def learn_until(self, last: int, tell: int = 100) -> None:
        """Take the steps up to number `last`, and keep what comes of them."""
        self.student.train()
        for step in range(self.done, last):
            losses = self._step(step)
            if (step + 1) % tell == 0:
                shown = "  ".join(f"{name} {float(loss):.3f}" for name, loss in losses.items())
                click.echo(f"{step + 1} of {self.steps}: {shown}")
            if (step + 1) % SAVE_EVERY == 0 or step + 1 == last:
                self._save(step + 1)

    def _step(self, step: int) -> dict[str, Tensor]:
        """Learn from one batch, drawn by seed and step, each picture mirrored or not."""
        rng = np.random.default_rng([self.seed, step])
        rows = np.sort(rng.choice(len(self.images), BATCH, replace=False))
        mirrored = rng.random(BATCH) < 0.5
        batch = self.images[rows]
        batch[mirrored] = batch[mirrored][..., ::-1]
        said = self.student(to_network(torch.from_numpy(batch)))
        wanted = {name: each[rows] for name, each in vars(self.targets).items()}
        wanted["factors"][mirrored] = np.nan  # a mirrored face looks the other way
        losses = {name: _error(said[name], torch.from_numpy(wanted[name])) for name in said}
        for group in self.adam.param_groups:
            group["lr"] = RATE * _schedule(step, self.steps)
        self.adam.zero_grad()
        torch.autograd.backward([WEIGHTS[name] * loss for name, loss in losses.items()])
        self.adam.step()
        return {name: loss.detach() for name, loss in losses.items()}

    def _save(self, done: int) -> None:
        states = {"student": self.student.state_dict(), "adam": self.adam.state_dict()}
        kept = states | {"done": done, "origin": self.origin}
        with atomic_path(self.path) as partial:
            torch.save(kept, partial)
        self.done = done


def _error(said: Tensor, wanted: Tensor) -> Tensor:
    """Return the mean squared error where something is wanted."""
    known = wanted.isfinite()
    return (said - wanted.nan_to_num()).square()[known].mean()


def _schedule(step: int, steps: int) -> float:
    """Return the share of the rate: up in a line, down along a cosine."""
    if step < WARM_UP:
        return (step + 1) / WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (step - WARM_UP) / max(steps - WARM_UP, 1)))
