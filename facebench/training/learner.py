"""What a trainer gives the loop: a step, pictures, and all that the next step depends on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Int64

from facebench.errors import BadInput
from facebench.sampler import Images, LatentSampler

State = dict[str, np.ndarray]


class Rows:
    """Some of an array's images, read when they are asked for: the array need not fit in memory."""

    def __init__(self, images: np.ndarray, rows: np.ndarray):
        self._images, self._rows = images, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> np.ndarray:
        return self._images[self._rows[index]]


ImageRows = np.ndarray | Rows
"""Images ``uint8`` (n, 3, s, s)."""


@runtime_checkable
class AnyLearner(Protocol):
    """A model in training, whatever it makes images of.

    Whatever is random in step *k* is drawn from the run's seed and *k* (see `generator`), so that
    `state` needs no generators' states and a resumed run repeats an uninterrupted one.
    """

    steps: int
    images_per_step: int

    def step(self, number: int) -> Mapping[str, Any]:
        """Take step `number`, counted from 1; return its losses, as anything that float takes."""

    def state(self) -> State:
        """Return copies of all arrays that the next step depends on."""

    def restore(self, state: State) -> None:
        """Become what `state` was taken of."""

    def save(self, path: Path) -> None:
        """Write the model file that the adapter loads, atomically."""


@runtime_checkable
class SamplerLearner(AnyLearner, Protocol):
    """One that makes images of latents: the score compares the distribution of fixed ones."""

    control_scale: float
    """Standard deviation of the control grid's latents."""

    def sampler(self) -> LatentSampler:
        """Return the sampler of the model as it is now."""


@runtime_checkable
class TranslatorLearner(AnyLearner, Protocol):
    """One that makes images of source images: the score compares them one by one with theirs."""

    def answers(self) -> Images:
        """Return what the model as it is now makes of the sources of the images to score by."""

    def control_images(self) -> Images:
        """Return 36 images that show it at work, six a row, of the same sources every time."""


Learner = SamplerLearner | TranslatorLearner


class Diverged(BadInput):
    """A loss or a weight is no longer finite."""


def generator(seed: int, step: int) -> np.random.Generator:
    """Return the generator of all that is random in one step (Philox, Salmon et al. 2011).

    >>> bool(generator(1, 2).random() == generator(1, 2).random() != generator(1, 3).random())
    True
    """
    return np.random.Generator(np.random.Philox(key=np.array([seed, step], np.uint64)))


class Choice(NamedTuple):
    """Which images a step takes, and how."""

    rows: Int64[np.ndarray, " n"]
    """Ascending, so that they are read in the order of the disk."""
    mirrored: Bool[np.ndarray, "n 1 1 1"]

    def share(self, part: slice) -> "Choice":
        """Return what one of several processes takes of it."""
        return Choice(self.rows[part], self.mirrored[part])


def choose(images: int, count: int, rng: np.random.Generator) -> Choice:
    """Choose `count` of so many images at random, each mirrored with probability one half."""
    rows = np.sort(rng.integers(images, size=count))
    return Choice(rows, rng.random((count, 1, 1, 1)) >= 0.5)


def take(images: ImageRows, choice: Choice) -> Images:
    """Return the images of `choice`, the mirrored ones mirrored."""
    chosen = images[choice.rows]
    return np.where(choice.mirrored, chosen[..., ::-1], chosen)


def random_batch(images: ImageRows, count: int, rng: np.random.Generator) -> Images:
    """Return `count` random images, each mirrored with probability one half."""
    return take(images, choose(len(images), count, rng))
