"""What models are compared with: a prepared data set, pictures as they are, or another model."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

from facebench.data.dataset import Dataset, Split, is_prepared, open_dataset
from facebench.data.statistics import is_statistics
from facebench.engine.asked_classes import ClassBySeed
from facebench.engine.entries import ObjectRow, PicturesRow, parse_one, require_path
from facebench.engine.given_statistics import StatisticsRow, StatisticsSource
from facebench.engine.model_source import ModelSource
from facebench.engine.pairing import Pairing
from facebench.engine.sources import ObjectSource
from facebench.engine.stored_images import DatasetSource, Described, PictureSource
from facebench.errors import BadInput
from facebench.results.result import STATISTICS
from facebench.sandbox.limits import Limits
from facebench.text import printable, shown
from facebench.translator import require_sampler

REFERENCE = "reference"
_BOTH = (
    "{0} holds statistics, too, perhaps of more images: statistics:{0} compares with those, as the "
    "program that wrote them may"
)
UNCROPPED = "uncropped"
"""The crop of pictures that nobody has prepared."""


@dataclass(frozen=True, eq=False)
class RealImages:
    """The reference of an evaluation, and what its protocol says of it."""

    name: str
    digest: str
    split: str
    crop: str
    filter: str
    size: int
    """Height and width in pixels; 0 where images are of several sizes, not square or unknown."""
    seeds: range
    source: Callable[[], Described | StatisticsSource]
    dataset: Dataset | None = None
    """The split that it is, of a prepared data set."""
    has_pairs: bool = True
    """Whether its images are of one size, as far as is known: only such have an LPIPS."""
    is_shuffled: bool = True
    """Whether any part of it is like the whole."""
    note: str = ""
    """What must be said of it beside every number."""
    has_images: bool = True
    """Whether it is more than statistics."""
    pairs: Pairing | None = None
    """What translators are asked, where these are the targets."""

    def images(self) -> Described:
        """Return the source of the images, which statistics have not."""
        source = self.source()
        assert not isinstance(source, StatisticsSource), "has_images was asked first"
        return source

    @cached_property
    def classes(self) -> ClassBySeed | None:
        """The class that each seed of a conditional sampler asks for; None where these have none.

        A model in the reference's place is asked for none.
        """
        labels = self.images().labels_of(self.seeds) if self.has_images else None
        return None if labels is None else ClassBySeed(labels)

    def __len__(self) -> int:
        return len(self.seeds)

    @property
    def training(self) -> Dataset | None:
        """The images that models were trained on, as far as the reference can tell."""
        return self.dataset.split("train") if self.dataset else None

    @property
    def first(self) -> int:
        """Where the images begin among those of all splits."""
        return self.dataset.first if self.dataset else self.seeds.start

    @property
    def is_apart(self) -> bool:
        """Whether these are images that models were not trained on, and there are others."""
        return self.split == "holdout"


def open_real(
    reference: Any, split: Split | None, num: int | None, limits: Limits, device: str, seed: int = 0
) -> RealImages:
    """Open a reference, of whatever kind, or raise BadInput.

    Args:
        reference: a prepared data set; pictures in any form that is read; a model, as in
            ``--models``; in Python also an array of images, or a sampler.
        split: which images of a prepared data set, by default the hold-out.
        num: how many images to take of a model, which has any number.
        limits: of a model's process.
        device: where a model computes.
        seed: the first of a model's.
    """
    require_path(reference)
    if isinstance(reference, str | PathLike) and is_prepared(path := _path(reference)):
        return _prepared(open_dataset(path).by_content().split(split or "holdout"))
    row = parse_one(REFERENCE, reference)
    if split not in (None, "all"):
        raise BadInput(
            f"{row.target} has no split {split!r}, for it is not a prepared data set: leave "
            "--split out, or make one with facebench data prepare."
        )
    if isinstance(row, PicturesRow):
        return _pictures(row)
    if isinstance(row, StatisticsRow):
        return _statistics(row)
    if num is None:
        raise BadInput(f"{row.target} gives any number of images: say how many with --num.")
    name, seeds = printable(row.target), range(seed, seed + num)
    if isinstance(row, ObjectRow):
        source = ObjectSource(lambda: require_sampler(row.open(device)))
        return RealImages(name, name, "sampled", "", "", 0, seeds, lambda: source)
    make = ModelSource(row, limits, device)
    return RealImages(name, row.digest(), "sampled", "", "", 0, seeds, lambda: make)


def _path(reference: "str | PathLike[str]") -> Path:
    return Path(reference).expanduser()


def _prepared(dataset: Dataset) -> RealImages:
    return RealImages(
        name=dataset.name,
        digest=dataset.digest,
        split=dataset.part,
        crop=dataset.info["crop"],
        filter=dataset.info["filter"],
        size=dataset.size,
        seeds=range(len(dataset)),
        source=lambda: DatasetSource(dataset),
        dataset=dataset,
        is_shuffled=dataset.is_shuffled,
    )


def _statistics(row: StatisticsRow) -> RealImages:
    source = StatisticsSource(row.statistics)
    return RealImages(
        name=printable(row.path.resolve().name),
        digest=source.digest,
        split=STATISTICS,
        crop="",
        filter="",
        size=0,
        seeds=range(row.statistics.count or 0),
        source=lambda: source,
        has_pairs=False,
        has_images=False,
    )


def _pictures(row: PicturesRow) -> RealImages:
    pictures = row.pictures
    has_both = is_statistics(row.path, beside_pictures=True)
    return RealImages(
        name=printable(row.path.resolve().name),
        digest=pictures.content,
        split="all",
        crop=UNCROPPED,
        filter="none",
        size=pictures.looks.side,
        seeds=range(len(pictures)),
        source=lambda: PictureSource(pictures),
        has_pairs=len(pictures.looks.sizes) == 1,
        note=_BOTH.format(shown(row.path.name)) if has_both else pictures.note,
    )
