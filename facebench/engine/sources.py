"""Where images come from: a data set read here, a sampler in a process of its own, or an object.

A sampler's process keeps its framework, its memory and its crashes out of the engine (TensorFlow
and torch's Triton do not even live in one process), and draws the next images while the engine
looks at the last. :mod:`facebench.sandbox.parent` has its limits.
"""

import json
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Protocol, runtime_checkable

from facebench.cache.paths import cache_folder
from facebench.cache.store import MODELS
from facebench.data.dataset import Dataset
from facebench.engine.contract import Witnesses, apart
from facebench.engine.identity import Identities, Identity, identify
from facebench.errors import RowFailed, as_failure
from facebench.plugins import registry
from facebench.plugins.dependencies import is_of_the_kernel
from facebench.plugins.spec import Model
from facebench.sampler import Images, Sampler, checked
from facebench.sandbox.limits import DEFAULT, Limits
from facebench.sandbox.parent import Sandbox

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

    def keys(self, parts: Sequence[range]) -> list[Key]:
        """Return the images that the indices count in."""
        return [{"source": self.dataset.key}] * len(parts)

    def batches(self, seeds: Sequence[Seeds]) -> Generator[Images]:
        """Yield the images of each sequence of indices."""
        return (self.dataset.sample(each) for each in seeds)

    def close(self) -> None:
        """Do nothing."""


class SamplerSource(ABC):
    """The images of a sampler; a few are drawn twice, to see that none depends on its batch."""

    def __init__(self) -> None:
        self._witnesses = Witnesses()

    def batches(self, seeds: Sequence[Seeds]) -> Generator[Images]:
        """Yield a batch per sequence of seeds, or raise :class:`RowFailed` or BadInput."""
        self.draw_apart(apart([seed for each in seeds for seed in each]))
        before: Images | None = None
        for images, each in zip(self.draw(seeds), seeds, strict=False):
            self._witnesses.compare(each, images)
            if before is not None:
                yield before
            before = images
        self.learn()
        if before is not None:  # one late: when the last is out, all is known of the drawing
            yield before

    def draw_apart(self, batches: Sequence[Seeds]) -> list[Images]:
        """Draw images to compare with those that are scored, and return them."""
        drawn = list(self.draw(batches))
        for seeds, images in zip(batches, drawn, strict=False):
            self._witnesses.keep(seeds, images)
        return drawn

    @property
    def note(self) -> str:
        """What must be said of the images beside their scores, if anything."""
        return self._witnesses.note

    @abstractmethod
    def draw(self, batches: Sequence[Seeds]) -> Iterator[Images]:
        """Yield the images of each batch."""

    def learn(self) -> None:  # noqa: B027 - most have nothing to learn
        """Take up what drawing has shown of the sampler."""


class ModelSource(SamplerSource):
    """The images of a model, drawn in a process of its own while it is needed."""

    def __init__(self, model: Model, limits: Limits = DEFAULT):
        super().__init__()
        self.model, self._limits = model, limits
        self._sandbox: Sandbox | None = None
        self._known: Identity | None = None
        self._before: set[str] = set()
        self._opened, self._names = 0.0, False
        self._keys: list[Key] = []

    def keys(self, parts: Sequence[range]) -> list[Key]:
        """Return which adapter's code, model and files they are, and what else shows."""
        self._names = True  # of several ranks, the leader alone
        self._known = self._identities.find(self._named)
        if self._known and not self._known.holds():  # even what was read late is part of the name
            self._before, self._known = set(self._known.files), None
        shown = list[Key]() if self._known and self._known.complete else self._shown(parts)
        assert self._known is not None, "it was opened"
        named = {"source": f"{registry.origin(self.model.adapter)} {self._known.name}"}
        self._keys = [named | each for each in shown or [{}] * len(parts)]
        return self._keys

    @property
    def digest(self) -> str:
        """The sha256 of all that the keys tell."""
        distinct = dict.fromkeys(json.dumps(key) for key in self._keys)
        return sha256("\n".join(distinct).encode()).hexdigest()

    @property
    def note(self) -> str:
        """What must be said of the images, now or when they were drawn."""
        return super().note or (self._known.note if self._known else "")

    def draw(self, batches: Sequence[Seeds]) -> Iterator[Images]:
        """Yield the images of each batch, from the process."""
        if self._sandbox is None:
            self._opened = time.time()
            self._sandbox = Sandbox(self.model, self._limits)
        drawn = self._sandbox.sample(batches)
        is_whole = False
        try:
            yield from drawn
            is_whole = True
        finally:
            if not is_whole:  # what is on its way must not be taken for the next answer
                self.close()

    def learn(self) -> None:
        """Keep the names of the files that turned out to be read, where keys were asked for."""
        sandbox, opened = self._sandbox, self._opened
        if sandbox is None or not self._names:
            return
        files = {
            file
            for file in sandbox.files
            if not is_of_the_kernel(file) and not self._is_named(file)
        }
        known = self._known or identify(
            self._named, files | self._before, sandbox.knows_all_files, opened
        )
        new = files - known.files.keys()
        self._known = replace(known.grown(new, opened), note=self.note)
        self._identities.keep(self._named, self._known)

    def close(self) -> None:
        """End the process."""
        if self._sandbox:
            self._sandbox.close()
            self._sandbox = None

    def _shown(self, parts: Sequence[range]) -> list[Key]:
        """Return a digest of the last and first image of each part, or nothing where all is known.

        Only what has been drawn from shows what it reads, so the first part is drawn from in any
        case.
        """
        pairs = [list(dict.fromkeys((part[-1], part[0]))) for part in parts]
        drawn = self.draw_apart(pairs[:1])
        self.learn()
        if self._known and self._known.complete:
            return []
        drawn += self.draw_apart(pairs[1:])
        self.learn()
        return [{"shown": sha256(images.tobytes()).hexdigest()} for images in drawn]

    @property
    def _identities(self) -> Identities:
        return Identities(cache_folder() / "features" / MODELS)

    @cached_property
    def _named(self) -> str:
        """What was named, by content, and what else decides how it is opened."""
        backend = os.environ.get("KERAS_BACKEND", "")
        return f"{registry.origin(self.model.adapter)} {backend} {self.model.digest()}"

    def _is_named(self, file: str) -> bool:
        return Path(file).is_relative_to(os.path.abspath(self.model.path))


class ObjectSource(SamplerSource):
    """The images of a sampler that is an object of this process, which nothing can name.

    Its features are not kept: the object may be another one the next time it is seen.
    """

    def __init__(self, open_sampler: Callable[[], Sampler]):
        super().__init__()
        self._open = open_sampler
        self._drawn = sha256()

    def keys(self, parts: Sequence[range]) -> list[Key]:
        """Return nothing that would tell one object from another."""
        return [{"source": "object"}] * len(parts)

    @property
    def digest(self) -> str:
        """The sha256 of all images that were drawn."""
        return self._drawn.hexdigest()

    def draw(self, batches: Sequence[Seeds]) -> Iterator[Images]:
        """Yield the images of each batch, from this process; any exception is the sampler's."""
        for seeds in batches:
            try:
                images = checked(self._sampler.sample(list(seeds)), len(seeds)).copy()
            except SystemExit as error:
                raise RowFailed(f"it called sys.exit({error.code})") from error
            except Exception as error:
                raise as_failure(error) from error
            self._drawn.update(images.tobytes())
            yield images

    @cached_property
    def _sampler(self) -> Sampler:
        return self._open()

    def close(self) -> None:
        """Do nothing."""
