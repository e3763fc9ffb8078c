"""Images that are there already: a prepared data set's, and pictures at their own sizes."""

from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain, groupby

import numpy as np

from facebench.data.dataset import Dataset
from facebench.engine.pairing import TrustedSource
from facebench.engine.sources import Batch, Key, SamplerSource, Seeds
from facebench.engine.thumbnails import LARGEST, shown_side
from facebench.sampler import Images
from facebench.samplers.image_files import check_seeds
from facebench.samplers.picture_set import PictureSet
from facebench.sandbox.limits import own_cores


@dataclass(frozen=True)
class DatasetSource:
    """The images of a prepared data set; seeds are indices."""

    dataset: Dataset
    note = ""
    preview_side = 0

    @property
    def digest(self) -> str:
        """The sha256 of what the images depend on."""
        return sha256(self.dataset.key.encode()).hexdigest()

    def labels_of(self, seeds: Sequence[int]) -> np.ndarray | None:
        """Return the class of each image, by its name; None where the data set has none."""
        labels = self.dataset.labels
        return None if labels is None else np.array(self.dataset.classes)[labels[np.array(seeds)]]

    def keys(self, parts: Sequence[range]) -> list[Key]:
        """Return the images that the indices count in."""
        return [{"source": self.dataset.key}] * len(parts)

    def batches(self, seeds: Sequence[Seeds]) -> Generator[Images]:
        """Yield the images of each sequence of indices."""
        return (self.dataset.sample(each) for each in seeds)

    def close(self) -> None:
        """Do nothing."""


_DECODERS = 8
"""Threads that decode pictures, at most."""
_AT_ONCE = 16
"""Pictures that a thread is given together, at most: of arrays, asking costs more than one."""
_AHEAD = 2
"""Batches that are decoded while one is looked at."""


@dataclass(frozen=True)
class PictureSource:
    """Pictures that somebody has, at their own sizes."""

    pictures: PictureSet

    @property
    def note(self) -> str:
        """What must be said of the pictures beside their scores, if anything."""
        return self.pictures.note

    @property
    def preview_side(self) -> int:
        """That of the least square for all, unless they all are one that can be shown."""
        looks = self.pictures.looks
        return 0 if 0 < looks.side <= LARGEST else shown_side(looks.sizes)

    @property
    def digest(self) -> str:
        """The sha256 of what the images depend on."""
        return sha256(self.pictures.content.encode()).hexdigest()

    def labels_of(self, seeds: Sequence[int]) -> np.ndarray | None:
        """Return the class of each picture; None where there are none."""
        return self.pictures.labels_of(seeds)

    def keys(self, parts: Sequence[range]) -> list[Key]:
        """Return which pictures the seeds count in."""
        return [{"source": f"pictures {self.pictures.content}"}] * len(parts)

    def batches(self, seeds: Sequence[Seeds]) -> Generator[Batch]:
        """Yield the pictures of each sequence of seeds, decoded by threads of their own."""
        for each in seeds:
            check_seeds(self.pictures.path, len(self.pictures), each)
        with ThreadPoolExecutor(min(_DECODERS, own_cores()), "facebench-decoder") as threads:
            pending: deque[list[Future[list[np.ndarray]]]] = deque()
            for each in seeds:
                pending.append([threads.submit(self._decoded, few) for few in _parts(each)])
                if len(pending) > _AHEAD:
                    yield _in_runs(pending.popleft())
            while pending:
                yield _in_runs(pending.popleft())

    def close(self) -> None:
        """Do nothing."""

    def _decoded(self, seeds: Sequence[int]) -> list[np.ndarray]:
        return [self.pictures.picture(seed) for seed in seeds]


def _parts(seeds: Seeds) -> list[Seeds]:
    """Return what each thread is given together, some for all of them where there are enough."""
    length = max(1, min(_AT_ONCE, len(seeds) // _DECODERS))
    return [seeds[start : start + length] for start in range(0, len(seeds), length)]


def _in_runs(decoded: Sequence[Future[list[np.ndarray]]]) -> list[np.ndarray]:
    pictures = chain.from_iterable(few.result() for few in decoded)
    return [np.stack(list(run)) for _, run in groupby(pictures, lambda image: image.shape)]


Described = DatasetSource | PictureSource | SamplerSource | TrustedSource
"""A source that also has a `digest` of its images, and a `note` on them."""
