"""Where images come from: a data set read here, or a sampler run in a process of its own.

A sampler's process keeps its framework, its memory and its crashes out of the engine (TensorFlow
and torch's Triton do not even live in one process), and draws the next images while the engine
looks at the last. :mod:`facebench.isolation` has its limits.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from facebench import registry
from facebench.data.dataset import Dataset
from facebench.isolation import Sandbox
from facebench.limits import DEFAULT, Limits
from facebench.sampler import Images
from facebench.spec import Model

Seeds = Sequence[int]


@runtime_checkable
class ImageSource(Protocol):
    """Images by seed."""

    @property
    def key(self) -> str:
        """What the images depend on besides their seeds, for the feature store."""
        ...

    def batches(self, seeds: Sequence[Seeds]) -> Generator[Images]:
        """Yield one batch of images for each sequence of seeds."""
        ...


@dataclass(frozen=True)
class DatasetSource:
    """The images of a prepared data set; seeds are indices."""

    dataset: Dataset

    @property
    def key(self) -> str:
        """The images that the indices count in."""
        return self.dataset.key

    def batches(self, seeds: Sequence[Seeds]) -> Generator[Images]:
        """Yield the images of each sequence of indices."""
        return (self.dataset.sample(each) for each in seeds)


@dataclass(frozen=True)
class ModelSource:
    """The images of a model, drawn in a spawned process."""

    model: Model
    digest: str
    limits: Limits = DEFAULT

    @property
    def key(self) -> str:
        """The model's digest, and which code draws from it."""
        return f"{registry.origin(self.model.adapter)} {self.digest}"

    def batches(self, seeds: Sequence[Seeds]) -> Generator[Images]:
        """Yield a batch per sequence of seeds, or raise :class:`RowFailed` or BadInput."""
        listed = [[int(seed) for seed in each] for each in seeds]
        sandbox = Sandbox(self.model, {"seeds": listed}, self.limits)
        try:
            while (images := sandbox.next()) is not None:
                yield images
        finally:
            sandbox.close()
