"""Rows whose place is known beforehand: training images in disguise.

A metric that ranks them wrongly is not to be trusted with models. None of them shows an image that
the reference holds.
"""

import io
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageFilter

from facebench.data.dataset import Dataset
from facebench.engine.sources import Key, Seeds
from facebench.engine.stored_images import DatasetSource
from facebench.errors import BadInput
from facebench.results.result import SANITY
from facebench.sampler import Images, to_uint8

_BLUR = 1 / 32  # of the image's side: standard deviation of the Gaussian
_NOISE = 25  # grey levels: standard deviation
_QUALITY = 10  # of JPEG, in libjpeg's percent
_COLLAPSED = 10  # images that the collapsed generator knows
_AVERAGED = 1000  # images of the mean face

Picture = UInt8[np.ndarray, "3 s s"]


@dataclass(frozen=True)
class SanityRow:
    """A row of the board made of a data set's own images."""

    kind: str
    training: Dataset
    adapter: str = SANITY

    @property
    def name(self) -> str:
        """Its name on the board."""
        return f"sanity-{self.kind}"

    @property
    def path(self) -> Path:
        """What it is made of."""
        return Path(self.training.name)

    @property
    def target(self) -> str:
        """What a Result records of it."""
        return str(self.path)

    def source(self) -> "SanitySource":
        """Return its images."""
        return SanitySource(self.training, self.kind)


def sanity_rows(training: Dataset | None, need: int, reference: str) -> list[SanityRow]:
    """Return a row of each kind, or raise BadInput where there are no images to make them of.

    Args:
        training: images that the reference does not hold, of the same data set.
        need: how many of them.
        reference: what they are compared with, for the message.
    """
    have = 0 if training is None else len(training)
    if training is None or have < need:
        raise BadInput(
            f"--sanity takes {need} training images and compares them with the holdout split of a "
            f"prepared data set; this is {reference}, and there are {have} training images."
        )
    return [SanityRow(kind, training) for kind in ("copycat", *_DISGUISES)]


@dataclass(frozen=True)
class SanitySource(DatasetSource):
    """Training images, each changed in one way; the copycat's as they are."""

    kind: str

    @property
    def digest(self) -> str:
        """The sha256 of what the images depend on."""
        return sha256(f"{self.kind} {self.dataset.key}".encode()).hexdigest()

    def keys(self, parts: Sequence[range]) -> list[Key]:
        """Return which images are changed, and how."""
        if self.kind == "copycat":
            return super().keys(parts)
        key = f"{self.kind} {_BLUR} {_NOISE} {_QUALITY} {_COLLAPSED} {self.dataset.key}"
        return [{"source": key}] * len(parts)

    def batches(self, seeds: Sequence[Seeds]) -> Generator[Images]:
        """Yield the changed images of each sequence of indices."""
        if self.kind == "copycat":
            return super().batches(seeds)
        change = _DISGUISES[self.kind](self.dataset)
        return (np.stack([change(seed) for seed in each]) for each in seeds)


Change = Callable[[int], Picture]
"""From the index of a training image to what is made of it."""


def _one_by_one(change: Callable[[Picture, int], Picture], training: Dataset) -> Change:
    return lambda seed: change(training.sample([seed])[0], seed)


def _blurred(image: Picture, seed: int) -> Picture:
    blur = ImageFilter.GaussianBlur(image.shape[-1] * _BLUR)
    return _planes(_picture(image).filter(blur))


def _noisy(image: Picture, seed: int) -> Picture:
    rng = np.random.Generator(np.random.Philox(key=seed))
    return to_uint8(image + rng.normal(0, _NOISE, image.shape), 0, 255)


def _compressed(image: Picture, seed: int) -> Picture:
    file = io.BytesIO()
    _picture(image).save(file, "jpeg", quality=_QUALITY)
    return _planes(Image.open(file))


def _mean_face(training: Dataset) -> Change:
    images = training.images[:_AVERAGED]
    mean = to_uint8(images.mean(0, dtype=np.float64), 0, 255)
    return lambda seed: mean


def _collapsed(training: Dataset) -> Change:
    return lambda seed: training.sample([seed % _COLLAPSED])[0]


_DISGUISES: MappingProxyType[str, Callable[[Dataset], Change]] = MappingProxyType(
    {
        "blur": partial(_one_by_one, _blurred),
        "noise": partial(_one_by_one, _noisy),
        "jpeg": partial(_one_by_one, _compressed),
        "mean": _mean_face,
        "collapsed": _collapsed,
    }
)


def _picture(image: Picture) -> Image.Image:
    return Image.fromarray(image.transpose(1, 2, 0))


def _planes(picture: Image.Image) -> Picture:
    return np.asarray(picture).transpose(2, 0, 1)
