"""What a metric is: one function of a Comparison, and one row that says how to read its number."""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from facebench.errors import BadInput

if TYPE_CHECKING:
    from facebench.metrics.feature_sets import Comparison
    from facebench.metrics.uncertainty import Estimate

Family = Mapping[str, "Estimate | BadInput"]
"""Values by their names, or why there is none."""
Better = Literal["lower", "higher", "reference"]
"""Which direction is better; "reference": the closer to the reference's own value."""
Needs = Literal[
    "features", "logits", "lpips", "training", "labels", "faces", "training faces", "attributes",
    "floors", "steps", "pairs", "answers", "lpips pairs", "lpips answers", "paired faces",
]  # fmt: skip
"""What is extracted for it; "training": the features of the training images, too; "labels": the
features, and each image's class on both sides; "faces": what the face pass finds, "training faces":
that of the training images, too, "attributes": and what the real images are known to show;
"floors": the features of several networks, in each of which the Fréchet distance and its noise
floor are known; "steps": the LPIPS of the two ends of steps through the model's latent space;
"pairs": the pixels of each answer and its target, "answers": of several answers to each source,
"lpips pairs" and "lpips answers": their LPIPS, "paired faces": what the face pass finds in both."""
Interval = Literal["groups", "more noise", "own"]
"""What error and interval come from: the pseudo-values; these and a noise that all models share, so
that differences are judged without it; or, of a share near 0, the interval has ends of its own."""
Aspect = Literal["fidelity", "diversity", "copies"]
"""What can be wrong with a generator: its images, their variety, or that they are not its own."""
OF_FACES: tuple[Needs, ...] = ("faces", "training faces", "attributes", "paired faces")
OF_TRAINING: tuple[Needs, ...] = ("training", "training faces")
OF_PIXEL_PAIRS: tuple[Needs, ...] = ("pairs", "answers")
OF_LPIPS_PAIRS: tuple[Needs, ...] = ("lpips pairs", "lpips answers")
OF_PAIRS: tuple[Needs, ...] = (*OF_PIXEL_PAIRS, *OF_LPIPS_PAIRS, "paired faces")
OF_ANSWERS: tuple[Needs, ...] = ("answers", "lpips answers")
OF_LPIPS: tuple[Needs, ...] = ("lpips", "steps", *OF_LPIPS_PAIRS)

_KEY = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Metric:
    """One row: what a metric is called, how it is computed, how it is read.

    Raises:
        BadInput: for a row that could only fail, or mislead, once it is used.
    """

    key: str
    """Its name with the default extractor, Inception's pool features."""
    title: str
    compute: "Callable[[Comparison], Estimate]"
    """Called once for each model; it imports what it needs, for the table must load nothing."""
    better: Better
    paper: str
    card: str
    """One sentence for a reader who has never heard of it."""
    caution: str = ""
    """Its known failure mode."""
    note: str = ""
    """What must stand beside its every value, not in a footnote."""
    unit: str = "1"
    valid: tuple[float, float] = (0.0, math.inf)
    """Which values can occur."""
    needs: Needs = "features"
    looks_at: tuple[Aspect, ...] = ("fidelity", "diversity")
    """What it is read for, and so which checks of docs/validity.md it can fail."""
    minimum: int = 2
    """The fewest images a side it is defined for."""
    distance: str = ""
    """For distances: the stem of its key with any other extractor, e.g. "fd" in fd_random."""
    elsewhere: str = ""
    """For distances: its title with any other extractor, e.g. "Fréchet distance"."""
    home: str = "inception"
    """The extractor under which a distance goes by its bare key and title."""
    is_of_many: bool = False
    """Whether it is one of dozens, of which tables show what differs from real images: a factor of
    pose, an attribute's share."""
    default: bool = True
    """Whether it is computed unasked."""
    interval_note: str = ""
    """Where its interval is not what 95 % promises."""
    interval: Interval = "groups"
    """Where its interval comes from."""
    family: "Callable[[Comparison], Family] | None" = None
    """In place of `compute`, for values that only the data name: each is reported under KEY_NAME,
    and in place of one that is refused stands a BadInput that says why."""
    from_moments: tuple[Literal["real", "fake"], ...] = ()
    """Of which sides it is enough to know mean and covariance of the features."""

    def __post_init__(self) -> None:
        """Refuse a wrong row."""
        for fault in self._faults():
            raise BadInput(f"The metric {self.key!r} is refused: {fault}.")

    def _faults(self) -> Iterator[str]:
        for name in (self.key, *([self.distance] if self.distance else [])):
            if not _KEY.fullmatch(name):
                yield f"{name!r} must be small letters, digits and underscores, a letter first"
        if not (self.title and self.card):
            yield "it needs a title and a card, a sentence for who has never heard of it"
        if not callable(self.compute):
            yield "compute must be a function of a Comparison"
        for name, known in (("better", Better), ("needs", Needs)):
            if getattr(self, name) not in get_args(known):
                there = ", ".join(get_args(known))
                yield f"{name} is {getattr(self, name)!r}, which is not one of {there}"
        if strange := {*self.looks_at} - {*get_args(Aspect)}:
            yield f"it looks at {min(strange)!r}, and there are: {', '.join(get_args(Aspect))}"
        if not self.valid[0] < self.valid[1]:
            yield f"its valid values end at {self.valid[1]:g}, before they begin"
        if self.family and self.distance:
            yield "a family is of one extractor: leave the stem for others (distance) out"
        if self.minimum < 2:
            yield f"minimum is {self.minimum}, and no metric is defined for fewer than 2 images"
        if bool(self.distance) != bool(self.elsewhere):
            yield "a distance has both a stem and a title for other extractors (elsewhere)"

    @property
    def names(self) -> set[str]:
        """What its keys begin with, whatever the extractor."""
        return {self.key, self.distance} - {""}

    @property
    def is_of_faces(self) -> bool:
        """Whether it needs the face pass."""
        return self.needs in OF_FACES

    @property
    def is_of_copies(self) -> bool:
        """Whether it looks for training images among the generated ones."""
        return self.needs in OF_TRAINING

    @property
    def is_of_pairs(self) -> bool:
        """Whether it compares each answer of a translator with its target, or with the others."""
        return self.needs in OF_PAIRS

    @property
    def is_of_lpips(self) -> bool:
        """Whether LPIPS' network is looked through."""
        return self.needs in OF_LPIPS

    @property
    def is_of_every_network(self) -> bool:
        """Whether it is computed in the features of each network, not in the first's alone."""
        return bool(self.distance) and self.needs in ("features", "labels")

    def named(self, extractor: str) -> str:
        """Return the key under which this metric is reported with `extractor`.

        >>> from facebench.metrics.table import METRICS
        >>> METRICS["fid"].named("inception"), METRICS["fid"].named("inception@768")
        ('fid', 'fid_768')
        >>> METRICS["fid"].named("random"), METRICS["recall"].named("random")
        ('fd_random', 'recall')
        """
        extractor = extractor.partition("~")[0]  # a mode's way to resize, which the protocol names
        network, _, layer = extractor.partition("@")
        if not self.distance or extractor == self.home:
            return self.key
        return f"{self.key}_{layer}" if network == self.home else f"{self.distance}_{extractor}"

    def titled(self, key: str) -> str:
        """Return the heading for a `key` that `named` gave."""
        if key == self.key:
            return self.title
        if self.family:
            return f"{self.title}: {key.removeprefix(f'{self.key}_').replace('_', ' ')}"
        if key.startswith(f"{self.distance}_"):
            return f"{self.elsewhere}, {key.removeprefix(f'{self.distance}_')}"
        return f"{self.title} @{key.removeprefix(f'{self.key}_')}"
