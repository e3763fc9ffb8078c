"""What an evaluation of image to image compares with: a target for each source."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facebench.engine.sources import Batch, Key, Seeds
from facebench.sampler import Images
from facebench.samplers.picture_set import Looks
from facebench.translator import Answers, Asked

EXAMPLES = 8
"""Sources that are shown with the answers to them."""


@dataclass(frozen=True, eq=False)
class Pairing:
    """What translators are asked, and the true answers."""

    asked: Asked
    targets: Answers
    names: Sequence[str]
    """Of the sources."""
    digest: str
    """Of names, sources and targets."""
    task: str

    @property
    def told(self) -> str:
        """What a protocol says of it besides the digest: the task, and by what rule it is asked."""
        count = self.asked.answers
        rule = "seed = first + draw × sources + source"
        return f"{self.task}, {count} answer{'s' if count > 1 else ''} a source, {rule}"

    @property
    def examples(self) -> list[int]:
        """The places of sources to be shown: evenly among all, so that nobody chooses them."""
        count = len(self.names)
        return np.linspace(0, count - 1, min(EXAMPLES, count)).astype(int).tolist()


@dataclass(frozen=True, eq=False)
class TrustedSource:
    """Images that a function of facebench's own makes of their seeds, in this process."""

    images: Callable[[Seeds], Images]
    digest: str
    """The sha256 of what they depend on, whatever code makes them."""
    note: str = ""
    looks: Looks | None = None
    """What the files are like that they are read of, if they are."""
    content: str = ""
    """The digest of these."""
    preview_side = 0

    def labels_of(self, seeds: Sequence[int]) -> np.ndarray | None:
        """Return None: they have no classes."""
        return None

    def keys(self, parts: Sequence[range]) -> list[Key]:
        """Return what the images depend on."""
        return [{"source": f"made {self.digest}"}] * len(parts)

    def batches(self, seeds: Sequence[Seeds]) -> Generator[Batch]:
        """Yield the images of each sequence of seeds."""
        return (self.images(each) for each in seeds)

    def close(self) -> None:
        """Do nothing."""


@dataclass(frozen=True, eq=False)
class SourceRow:
    """A row whose images this process has or makes."""

    name: str
    adapter: str
    path: Path
    target: str
    """What a Result records of it."""
    open: Callable[[], TrustedSource]
