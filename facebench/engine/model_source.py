"""The images of a model, and the name that they are kept under.

A sampler's process keeps its framework, its memory and its crashes out of the engine (TensorFlow
and torch's Triton do not even live in one process), and samples the next images while the engine
extracts the features of the last. :mod:`facebench.sandbox` has its limits.
"""

import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from facebench.cache.paths import cache_folder
from facebench.cache.store import MODELS
from facebench.engine.asked_classes import ClassBySeed
from facebench.engine.identity import Identities, Identity, identify
from facebench.engine.sources import Key, SamplerSource, Seeds
from facebench.plugins import registry
from facebench.plugins.dependencies import is_of_the_kernel
from facebench.plugins.model_spec import Model
from facebench.sampler import Images
from facebench.samplers.latent_steps import EPSILON
from facebench.sandbox.limits import DEFAULT, Limits
from facebench.sandbox.parent import Sandbox
from facebench.translator import Asked

_DECIDE = "KERAS_BACKEND", "NVIDIA_TF32_OVERRIDE"
"""Variables of the environment that decide what computes the images, or how it rounds."""


class ModelSource(SamplerSource):
    """The images of a model, sampled in a process of its own while it is needed."""

    def __init__(
        self,
        model: Model,
        limits: Limits = DEFAULT,
        device: str = "cpu",
        wanted: ClassBySeed | None = None,
        steps: bool = False,
        asked: Asked | None = None,
    ):
        """Name a model; with `steps`, the images are those of steps through its latent space.

        With `asked` it is a translator, and they are its answers.
        """
        super().__init__(wanted)
        self.model, self._limits, self._device = model, limits, device
        self._steps, self._of_sources = steps, asked
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
        keys = self._keys_by(self._known, shown, parts)
        if self._known.classes is None:  # it was opened to be asked for them
            self.remember_files()
        self._keys = keys
        return keys

    def kept_keys(self, parts: Sequence[range]) -> list[Key] | None:
        """Return the keys that images were kept under when the model was last seen, unopened.

        None where that cannot be said. Nobody looks whether the files that it reads besides those
        that were named are still the same, so this is for a guess at what is there.
        """
        known = self._known = self._identities.find(self._named)
        if not (known and known.complete and known.classes is not None):
            return None
        return self._keys_by(known, [], parts)

    def _keys_by(self, known: Identity, shown: Sequence[Key], parts: Sequence[range]) -> list[Key]:
        named = {"source": f"{registry.origin(self.model.adapter)} {known.name}"}
        if self._steps:
            named["images"] = f"steps of {EPSILON:g}"
        keys = [named | each for each in shown or [{}] * len(parts)]
        if self.asked:
            digests = map(self.asked.digest, parts)
            keys = [key | {"classes": each} for key, each in zip(keys, digests, strict=True)]
        return keys

    @property
    def digest(self) -> str:
        """The sha256 of the model's files, its options, and what else is known of its images."""
        files = sorted(self._known.files.items()) if self._known else []
        shown = dict.fromkeys(key.get("shown") for key in self._keys)
        known = [self._backend, self.model.digest(), files, list(shown)]
        if self.asked:
            known.append([key.get("classes") for key in self._keys])
        return sha256(json.dumps(known).encode()).hexdigest()

    @property
    def note(self) -> str:
        """What must be said of the images, now or when they were sampled."""
        return super().note or (self._known.note if self._known else "")

    def sample(self, batches: Sequence[Seeds]) -> Iterator[Images]:
        """Yield the images of each batch, from the process."""
        labels = self.labels_to_ask(batches)
        is_whole = False
        try:
            yield from self._process().sample(batches, labels, self._steps)
            is_whole = True
        finally:
            if not is_whole:  # what is on its way must not be taken for the next answer
                self.close()

    @cached_property
    def classes(self) -> Sequence[str]:
        """Those that the model can be asked for, as they were where it is the same."""
        known = self._known
        if known and known.complete and known.classes is not None:
            return known.classes
        return self._process().classes or ()

    def remember_files(self) -> None:
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
        classes = [*(sandbox.classes or ())]
        self._known = replace(known.grown(new, opened), note=self.note, classes=classes)
        self._identities.keep(self._named, self._known)

    def close(self) -> None:
        """End the process."""
        if self._sandbox:
            self._sandbox.close()
            self._sandbox = None

    def _process(self) -> Sandbox:
        if self._sandbox is None:
            self._opened = time.time()
            self._sandbox = Sandbox(self.model, self._limits, self._device, self._of_sources)
        return self._sandbox

    def _shown(self, parts: Sequence[range]) -> list[Key]:
        """Return a digest of the last and first image of each part, or nothing where all is known.

        Only what has been sampled from shows what it reads, so the first part is sampled from in
        any case.
        """
        pairs = [list(dict.fromkeys((part[-1], part[0]))) for part in parts]
        sampled = self.sample_apart(pairs[:1])
        self.remember_files()
        if self._known and self._known.complete:
            return []
        sampled += self.sample_apart(pairs[1:])
        self.remember_files()
        return [{"shown": sha256(images.tobytes()).hexdigest()} for images in sampled]

    @property
    def _identities(self) -> Identities:
        return Identities(cache_folder() / "features" / MODELS)

    @cached_property
    def _named(self) -> str:
        """What was named, by content, and what else decides how it is opened and how it rounds."""
        kind = self._device.partition(":")[0]
        opened = f"{registry.origin(self.model.adapter)} {self._backend} {kind}"
        answers = f" answers {self._of_sources.digest}" if self._of_sources else ""
        return f"{opened} {self.model.digest()}{answers}"

    @property
    def _backend(self) -> str:
        return " ".join(filter(None, map(os.environ.get, _DECIDE)))

    def _is_named(self, file: str) -> bool:
        return Path(file).is_relative_to(os.path.abspath(self.model.path))
