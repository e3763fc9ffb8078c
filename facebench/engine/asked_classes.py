"""Which class a conditional sampler is asked for by each seed: the reference's, in its shares.

Drawing classes at random would add the noise of their shares to every distance. Of as many images
as the reference has, each class has exactly as many as there.
"""

import json
from collections.abc import Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

import numpy as np

from facebench.data.pictures import random_order
from facebench.text import listed

ASKED = "asked for the reference's classes"


@dataclass(frozen=True, eq=False)
class ClassBySeed:
    """The classes of the reference's images, as a function of seeds.

    Seed *i* has the class of the image at place *i* modulo their number, in the random order that
    pictures are taken in: those of a few seeds are a random sample, even if images lie by class.
    """

    labels: np.ndarray
    """The class of each image, by its name, shape (n,)."""

    def of(self, seeds: Sequence[int]) -> list[str]:
        """Return the class that each seed is asked for."""
        return [self._in_order[seed % len(self._in_order)] for seed in seeds]

    def digest(self, seeds: Sequence[int]) -> str:
        """Return the sha256 of what `seeds` are asked for."""
        return sha256(json.dumps(self.of(seeds)).encode()).hexdigest()

    def unknown(self, classes: Sequence[str]) -> str:
        """Say that a sampler of `classes` cannot be asked; empty where it knows every class."""
        beyond = self._every - {*classes}
        if not beyond:
            return ""
        return (
            f"not asked for the reference's classes, of which it does not know {listed(beyond)}: "
            "it chose classes itself"
        )

    @cached_property
    def _in_order(self) -> list[str]:
        return [str(name) for name in self.labels[random_order(len(self.labels))]]

    @cached_property
    def _every(self) -> Set[str]:
        return frozenset(self._in_order)
