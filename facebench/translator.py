"""The translator contract: a sampler that is given a source image with each seed.

A translator maps sources, ``uint8`` RGB ``(n, 3, h, w)``, and a seed for each to answers, ``uint8``
RGB ``(n, 3, H, W)``: H and W are the size of the targets, which may be another (super-resolution).
Answer *i* depends on source *i* and seed *i* alone: never on the others of the call, on the
process, or on earlier calls. A translator that draws nothing leaves the seeds aside.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from facebench.errors import BadInput
from facebench.sampler import Images, checked

Answers = UInt8[np.ndarray, "n 3 height width"]
"""Like `Images`, in a size of their own."""


@runtime_checkable
class Translator(Protocol):
    """Anything with ``translate(sources, seeds) -> answers``."""

    def translate(self, sources: Images, seeds: Sequence[int]) -> Answers:
        """Return one answer per source, drawn by its seed."""
        ...


def require_translator(model: Any) -> Translator:
    """Return `model` if it translates, or raise BadInput for a sampler, which is given no source.

    >>> require_translator(object())
    Traceback (most recent call last):
    ...
    facebench.errors.BadInput: This model takes no sources (it has no translate): score it by ...
    """
    if hasattr(model, "translate"):
        return model
    raise BadInput(
        "This model takes no sources (it has no translate): score it by facebench eval, or give "
        "one that translates images."
    )


def require_sampler(model: Any) -> Any:
    """Return `model` if it samples by seed alone, or raise BadInput for a translator."""
    if hasattr(model, "sample") or not hasattr(model, "translate"):
        return model
    raise BadInput(
        "This model translates images and makes none by seed alone: score it by facebench "
        "eval-pairs --pairs DIR, which gives it sources."
    )


@dataclass(frozen=True, eq=False)
class Asked:
    """What a translator is asked in an evaluation: each source several times, by other seeds.

    Counted from the first, image *k* is the answer number ``k mod answers`` to the source number
    ``k div answers``. So all answers to one source follow one another, and are one group wherever
    images are grouped. Answer *d* to source *s* of *n* is drawn by the seed ``first + d n + s``: no
    two are drawn by the same, and the first answers are the same however many there are.
    """

    sources: Images
    size: tuple[int, int]
    """Height and width that answers must have: the targets'."""
    answers: int = 1
    """How many to each source."""
    first: int = 0
    """The first seed; also the number of the first image."""

    @property
    def numbers(self) -> range:
        """The numbers of all images."""
        return range(self.first, self.first + self.answers * len(self.sources))

    def places(self, numbers: Sequence[int]) -> list[int]:
        """Return the source that each image answers, by its place."""
        return [(number - self.first) // self.answers for number in numbers]

    def seeds(self, numbers: Sequence[int]) -> list[int]:
        """Return the seed that each image is drawn by.

        >>> asked = Asked(np.zeros((5, 3, 1, 1), np.uint8), (4, 4), answers=2, first=100)
        >>> asked.places(range(100, 104)), asked.seeds(range(100, 104))
        ([0, 0, 1, 1], [100, 105, 101, 106])
        """
        count = len(self.sources)
        draws = [(number - self.first) % self.answers for number in numbers]
        pairs = zip(draws, self.places(numbers), strict=True)
        return [self.first + draw * count + place for draw, place in pairs]

    @cached_property
    def digest(self) -> str:
        """The sha256 of all of it."""
        digest = sha256(f"{self.sources.shape} {self.size} {self.answers} {self.first}".encode())
        digest.update(self.sources.tobytes())
        return digest.hexdigest()


class AskedTranslator:
    """A translator as the sampler of its answers."""

    def __init__(self, translator: Translator, asked: Asked):
        """Ask `translator` what is `asked`."""
        self._translator, self._asked = translator, asked

    def sample(self, seeds: Sequence[int]) -> Answers:
        """Return the images that are so numbered.

        Raises:
            ValueError: for what is no images, or not one for each source.
            BadInput: for answers of another size than the targets'.
        """
        numbers = list(seeds)
        given = np.ascontiguousarray(self._asked.sources[self._asked.places(numbers)])
        answers = self._translator.translate(given, self._asked.seeds(numbers))
        return require_size(checked(answers, len(numbers)), self._asked.size)


def require_size(answers: Answers, size: tuple[int, int]) -> Answers:
    """Return `answers` if they are of the height and width of the targets, or raise BadInput."""
    if answers.shape[2:] == size:
        return answers
    given, wanted = (f"{width}×{height}" for height, width in (answers.shape[2:], size))
    raise BadInput(
        f"Its answers are of {given} pixels and the targets of {wanted}: give a translator that "
        "answers in the targets' size, for nothing is resized."
    )


def as_sampler(model: Any, asked: Asked | None) -> Any:
    """Return a model as a sampler: as it is or, where sources are asked, that of its answers.

    Raises:
        BadInput: for a translator that is given no sources, and a sampler that is given some.
    """
    if asked is None:
        return require_sampler(model)
    return AskedTranslator(require_translator(model), asked)
