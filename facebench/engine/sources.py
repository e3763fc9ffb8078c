"""Where images come from: a data set, a sampler of this process, or a model (`model_source`)."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Protocol, runtime_checkable

from facebench.data.dataset import Dataset
from facebench.engine.batch_independence import Witnesses, apart
from facebench.errors import RowFailed, as_failure
from facebench.sampler import Images, Sampler, checked

Seeds = Sequence[int]
Key = dict[str, str]
"""What images depend on besides their seeds, for the feature store."""


@runtime_checkable
class ImageSource(Protocol):
    """Images by seed."""

    def keys(self, parts: Sequence[range]) -> list[Key]:
        """Return the key of the images of each part."""
        ...

    def batches(self, seeds: Sequence[Seeds]) -> Generator[Images]:
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

    @property
    def digest(self) -> str:
        """The sha256 of what the images depend on."""
        return sha256(self.dataset.key.encode()).hexdigest()

    def keys(self, parts: Sequence[range]) -> list[Key]:
        """Return the images that the indices count in."""
        return [{"source": self.dataset.key}] * len(parts)

    def batches(self, seeds: Sequence[Seeds]) -> Generator[Images]:
        """Yield the images of each sequence of indices."""
        return (self.dataset.sample(each) for each in seeds)

    def close(self) -> None:
        """Do nothing."""


class SamplerSource(ABC):
    """The images of a sampler; a few are sampled twice, to see that none depends on its batch."""

    def __init__(self) -> None:
        self._witnesses = Witnesses()

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

    @abstractmethod
    def sample(self, batches: Sequence[Seeds]) -> Iterator[Images]:
        """Yield the images of each batch."""

    def remember_files(self) -> None:  # noqa: B027 - most need not
        """Keep the names of the files that sampling has shown to be read."""

    def close(self) -> None:  # noqa: B027 - most hold nothing
        """Let go of what the source holds; it takes it up again when it is needed."""


class ObjectSource(SamplerSource):
    """The images of a sampler that is an object of this process, which nothing can name.

    Its features are not kept: the object may be another one the next time it is seen.
    """

    def __init__(self, open_sampler: Callable[[], Sampler]):
        super().__init__()
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
        for seeds in batches:
            try:
                images = checked(self._sampler.sample(list(seeds)), len(seeds)).copy()
            except SystemExit as error:
                raise RowFailed(f"it called sys.exit({error.code})") from error
            except Exception as error:
                raise as_failure(error) from error
            self._sampled.update(images.tobytes())
            yield images

    @cached_property
    def _sampler(self) -> Sampler:
        return self._open()
