"""Where images come from: a data set read here, or a sampler run in a process of its own.

A sampler's process keeps its framework, its memory and its crashes out of the engine (TensorFlow
and torch's Triton do not even live in one process), and draws the next images while the engine
looks at the last. A PyTorch data loader over the seeds brings shared memory and notices a death.
"""

import contextlib
import sys
import traceback
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from torch.utils.data import DataLoader, IterableDataset

from facebench import registry
from facebench.data.dataset import Dataset
from facebench.errors import BadInput, RowFailed
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

    @property
    def key(self) -> str:
        """The model's digest, and which code draws from it."""
        return f"{registry.origin(self.model.adapter)} {self.digest}"

    def batches(self, seeds: Sequence[Seeds]) -> Generator[Images]:
        """Yield a batch per sequence of seeds, or raise :class:`RowFailed` or BadInput."""
        loader = DataLoader(
            _SamplerStream(self.model.adapter, self.model.path, seeds),
            batch_size=None,
            num_workers=1,
            multiprocessing_context="spawn",
            prefetch_factor=4,
        )
        try:
            for answer in loader:
                if isinstance(answer, _Failure):
                    raise answer.error()
                yield answer.numpy()
        except RuntimeError as error:  # how the loader tells that its worker died
            reason = str(error).partition("\n")[0]
            raise RowFailed(f"its process died ({reason})") from error


@dataclass(frozen=True)
class _Failure:
    """What went wrong in the sampler's process, as text: exceptions do not all travel."""

    message: str
    is_bad_input: bool

    def error(self) -> BadInput | RowFailed:
        return (BadInput if self.is_bad_input else RowFailed)(self.message)


class _SamplerStream(IterableDataset):  # type: ignore[type-arg]  # its items are arrays or a _Failure
    """Runs in the sampler's process: opens the model and draws batch after batch."""

    def __init__(self, adapter: str, path: Path, seeds: Sequence[Seeds]):
        self.adapter, self.path, self.seeds = adapter, path, seeds

    def __iter__(self) -> Iterator[Images | _Failure]:
        try:
            # What a model prints must not mix with the command's own answer.
            with contextlib.redirect_stdout(sys.stderr):
                sampler = registry.load(self.adapter, self.path)
            for seeds in self.seeds:
                with contextlib.redirect_stdout(sys.stderr):
                    images = sampler.sample(seeds)
                yield checked(images, len(seeds))
        except BadInput as error:
            yield _Failure(str(error), True)
        except Exception as error:
            traceback.print_exc()
            yield _Failure(f"{type(error).__name__}: {error}", False)


def checked(images: np.ndarray, count: int) -> Images:
    """Return a sampler's answer if it keeps the contract, else raise ValueError saying how not."""
    images = np.asarray(images)
    if images.dtype != np.uint8:
        raise ValueError(
            f"the sampler returned {images.dtype} where uint8 in 0–255 is the contract"
        )
    if images.ndim != 4 or images.shape[:2] != (count, 3):
        raise ValueError(
            f"the sampler returned shape {images.shape} for {count} seeds, "
            f"where ({count}, 3, height, width) is the contract"
        )
    return np.ascontiguousarray(images)
