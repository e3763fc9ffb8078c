"""Where images come from: a data set, files, a sampler here, or a model (`model_source`)."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from itertools import groupby
from typing import Protocol, runtime_checkable

import numpy as np

from facebench.data.dataset import Dataset
from facebench.engine.asked_classes import ASKED, ClassBySeed
from facebench.engine.batch_independence import Witnesses, apart
from facebench.engine.thumbnails import LARGEST, shown_side
from facebench.errors import RowFailed, as_failure
from facebench.sampler import Images, Sampler, checked, drawn, known_classes
from facebench.samplers.image_files import check_seeds
from facebench.samplers.picture_set import PictureSet
from facebench.sandbox.limits import own_cores

Seeds = Sequence[int]
Key = dict[str, str]
"""What images depend on besides their seeds, for the feature store."""
Batch = Images | list[np.ndarray]
"""Images of one size; or, of pictures of several, runs of one size, each ``uint8`` (n, 3, h, w)."""


def runs(batch: Batch) -> list[np.ndarray]:
    """Return the runs of one size in a batch."""
    return batch if isinstance(batch, list) else [batch]


@runtime_checkable
class ImageSource(Protocol):
    """Images by seed."""

    @property
    def preview_side(self) -> int:
        """That of the squares the first images are shown in; 0 where one suits each of them."""
        ...

    def keys(self, parts: Sequence[range]) -> list[Key]:
        """Return the key of the images of each part."""
        ...

    def batches(self, seeds: Sequence[Seeds]) -> Generator[Batch]:
        """Yield one batch of images for each sequence of seeds."""
        ...

    def close(self) -> None:
        """Let go of what the source holds; it takes it up again when it is needed."""
        ...


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
            pending: deque[list[Future[np.ndarray]]] = deque()
            for each in seeds:
                pending.append([threads.submit(self.pictures.picture, seed) for seed in each])
                if len(pending) > _AHEAD:
                    yield _in_runs([future.result() for future in pending.popleft()])
            while pending:
                yield _in_runs([future.result() for future in pending.popleft()])

    def close(self) -> None:
        """Do nothing."""


def _in_runs(pictures: Sequence[np.ndarray]) -> list[np.ndarray]:
    return [np.stack(list(run)) for _, run in groupby(pictures, lambda image: image.shape)]


class SamplerSource(ABC):
    """The images of a sampler; a few are sampled twice, to see that none depends on its batch.

    A sampler that knows all classes of the reference is asked for them, the same ones by each seed
    however often it is asked.
    """

    preview_side = 0

    def __init__(self, wanted: ClassBySeed | None = None):
        self._witnesses, self._wanted = Witnesses(), wanted

    @property
    @abstractmethod
    def digest(self) -> str:
        """The sha256 of what the images depend on, whatever code makes them."""

    @abstractmethod
    def keys(self, parts: Sequence[range]) -> list[Key]:
        """Return the key of the images of each part."""

    def batches(self, seeds: Sequence[Seeds]) -> Generator[Images]:
        """Yield a batch per sequence of seeds, or raise :class:`RowFailed` or BadInput."""
        self.sample_apart(apart([seed for each in seeds for seed in each]))
        before: Images | None = None
        for images, each in zip(self.sample(seeds), seeds, strict=False):
            self._witnesses.compare(each, images)
            if before is not None:
                _require_one_size(before, images)
                yield before
            before = images
        self.remember_files()
        if before is not None:  # one late: when the last is out, all is known of the sampler
            yield before

    def sample_apart(self, batches: Sequence[Seeds]) -> list[Images]:
        """Sample images to compare with those that are scored, and return them."""
        sampled = list(self.sample(batches))
        for seeds, images in zip(batches, sampled, strict=False):
            self._witnesses.keep(seeds, images)
        return sampled

    @property
    def note(self) -> str:
        """What must be said of the images beside their scores, if anything."""
        return self._witnesses.note

    @cached_property
    def asked(self) -> ClassBySeed | None:
        """The classes that the sampler is asked for; None where it chooses, or knows none."""
        wanted = self._wanted
        return wanted if wanted and self.classes and not wanted.unknown(self.classes) else None

    @property
    def note_on_classes(self) -> str:
        """What must be said of the images' classes beside their scores, if anything."""
        if self.asked:
            return ASKED
        return self._wanted.unknown(self.classes) if self._wanted and self.classes else ""

    def labels_of(self, seeds: Sequence[int]) -> np.ndarray | None:
        """Return the class of each image; None where the sampler was asked for none."""
        return np.array(self.asked.of(seeds)) if self.asked else None

    def labels_to_ask(self, batches: Sequence[Seeds]) -> list[list[str]] | None:
        """Return the class that each seed is asked for, if the sampler is asked."""
        return [self.asked.of(seeds) for seeds in batches] if self.asked else None

    @property
    @abstractmethod
    def classes(self) -> Sequence[str]:
        """Those that the sampler can be asked for; none where it takes no labels."""

    @abstractmethod
    def sample(self, batches: Sequence[Seeds]) -> Iterator[Images]:
        """Yield the images of each batch."""

    def remember_files(self) -> None:  # noqa: B027 - most need not
        """Keep the names of the files that sampling has shown to be read."""

    def close(self) -> None:  # noqa: B027 - most hold nothing
        """Let go of what the source holds; it takes it up again when it is needed."""


def _require_one_size(before: np.ndarray, images: np.ndarray) -> None:
    if before.shape[1:] != images.shape[1:]:
        first, then = (f"{width}×{height}" for _, _, height, width in (before.shape, images.shape))
        raise RowFailed(f"the sampler gave images of {first} pixels, then of {then}")


class ObjectSource(SamplerSource):
    """The images of a sampler that is an object of this process, which nothing can name.

    Its features are not kept: the object may be another one the next time it is seen.
    """

    def __init__(self, open_sampler: Callable[[], Sampler], wanted: ClassBySeed | None = None):
        super().__init__(wanted)
        self._open = open_sampler
        self._sampled = sha256()

    def keys(self, parts: Sequence[range]) -> list[Key]:
        """Return nothing that would tell one object from another."""
        return [{"source": "object"}] * len(parts)

    @property
    def digest(self) -> str:
        """The sha256 of all images that were sampled."""
        return self._sampled.hexdigest()

    def sample(self, batches: Sequence[Seeds]) -> Iterator[Images]:
        """Yield the images of each batch, from this process; any exception is the sampler's."""
        labels = self.labels_to_ask(batches)
        for place, seeds in enumerate(batches):
            try:
                names = None if labels is None else labels[place]
                images = checked(drawn(self._sampler, list(seeds), names), len(seeds)).copy()
            except SystemExit as error:
                raise RowFailed(f"it called sys.exit({error.code})") from error
            except Exception as error:
                raise as_failure(error) from error
            self._sampled.update(images.tobytes())
            yield images

    @cached_property
    def classes(self) -> Sequence[str]:
        """Those that the sampler can be asked for; none where it takes no labels."""
        try:
            return known_classes(self._sampler) or ()
        except Exception as error:
            raise as_failure(error) from error

    @cached_property
    def _sampler(self) -> Sampler:
        return self._open()


Described = DatasetSource | PictureSource | SamplerSource
"""A source that also has a `digest` of its images, and a `note` on them."""
