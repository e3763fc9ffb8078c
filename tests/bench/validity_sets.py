"""The sets of images behind the validity table, and what networks make of them, kept in a folder.

Three pools share no image: real, generated and training ones. Of the painted faces number i of a
pool is seed 3i, 3i + 1 or 3i + 2; of CelebA, whose 9,000 are in an order drawn by seed 0, the image
at that place. Everything is kept in chunks of 500 images, each written once and then moved into
place, so that a run that was killed goes on, and a pool can grow.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from shared_files import INCEPTION, SHARED
from validity_changes import STRENGTHS, Pictures, changed, jpeg, mirrored, negative

from facebench import features as extractors
from facebench.data.dataset import open_dataset
from facebench.data.prepare import prepare
from facebench.features.extractor import Extractor
from facebench.files import atomic_path
from facebench.synth import factors, render
from facebench.weights import WeightSource

CHUNK = 500
POOLS = ("real", "generated", "training")
SIZE = 64
_BATCH = 50
CELEBA = SHARED / "faces" / "celeba_9000_89x109.zip"
_WEIGHTS = {"inception": INCEPTION}


@dataclass(frozen=True)
class ImageSet:
    """One pool of one kind of data, as it is or changed."""

    data: str
    """ "painted" or "celeba"."""
    pool: str
    """One of POOLS."""
    change: str = ""
    """A kind of damage and its strength ("blur 1"), "jpeg", "mirrored", "negative", or nothing."""

    @property
    def name(self) -> str:
        """That of its folder."""
        return "-".join(filter(None, [self.data, self.pool, self.change.replace(" ", "_")]))


@dataclass(frozen=True)
class Stage:
    """Which features a part of the table is made of."""

    data: str
    extractor: str
    counts: tuple[int, ...]
    """Images a side, N."""
    real: int
    generated: int
    training: int
    damaged: int
    """How many images of each damaged set, and of each set of copies."""
    strengths: tuple[int, ...] = (1, 2, 3, 4, 5)
    """Of damage."""

    @property
    def random(self) -> "Stage":
        """The same images' random features, which FDr is over, too."""
        return replace(self, extractor="random")

    @property
    def outliers(self) -> int:
        """How many negatives there are: a fifth of the largest N, and some to draw from."""
        return max(CHUNK, max(self.counts) // 5)

    def sets(self) -> Iterator[tuple[ImageSet, int]]:
        """Yield every set of images, and how many are needed."""
        for pool in POOLS:
            yield ImageSet(self.data, pool), getattr(self, pool)
        yield ImageSet(self.data, "training", "negative"), self.outliers
        for copied in ("jpeg", "mirrored"):
            yield ImageSet(self.data, "training", copied), self.damaged
        for kind in STRENGTHS:
            for strength in self.strengths:
                yield ImageSet(self.data, "generated", f"{kind} {strength}"), self.damaged


PAINTED = (
    Stage("painted", "inception@768", (1000,), 4000, 4000, 4000, 1500),
    Stage("painted", "random", (500, 2000), 4000, 7000, 4000, 4000),
    Stage("painted", "portrait", (500,), 4000, 4000, 4000, 1500),
)
REDUCED = tuple(replace(stage, strengths=(1, 3, 5)) for stage in PAINTED)
"""Of the same images as the whole, so that one goes on where the other stopped."""
WHOLE = (
    *PAINTED,
    Stage("celeba", "random", (500, 1000), 3000, 3000, 3000, 3000),
    Stage("celeba", "inception@768", (1000,), 3000, 3000, 3000, 1500),
    Stage("painted", "random", (10_000,), 12_500, 34_000, 12_500, 10_000),
)


class Work:
    """A folder of chunks of images and of features, made where they are not there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def prepare(self, stages: Iterable[Stage]) -> None:
        """Prepare what is no painted face, before several processes want it at once."""
        if any(stage.data == "celeba" for stage in stages):
            self._celeba()

    def has(self, extractor: str, images: ImageSet, chunk: int) -> bool:
        """Return whether a chunk's features are kept."""
        return self._features(extractor, images, chunk).exists()

    def extract(self, extractor: str, images: ImageSet, chunk: int) -> None:
        """Keep a chunk's features."""
        pictures = self.pictures(images, chunk)
        found = _network(extractor).extract(pictures, _BATCH)["features"]
        _keep(self._features(extractor, images, chunk), found)

    def features(self, extractor: str, images: ImageSet, count: int) -> np.ndarray:
        """Return the first `count` images' features, shape (count, d), float32."""
        chunks = range(-(-count // CHUNK))
        parts = [np.load(self._features(extractor, images, chunk)) for chunk in chunks]
        return np.concatenate(parts)[:count]

    def pictures(self, images: ImageSet, chunk: int) -> Pictures:
        """Return a chunk's pictures, with the change."""
        whole = self._unchanged(replace(images, change=""), chunk)
        return _change(images.change)(whole, chunk)

    def _unchanged(self, images: ImageSet, chunk: int) -> Pictures:
        if images.data == "celeba":
            return np.array(self._celeba()[_numbers(images.pool, chunk)])
        path = self.folder / "images" / images.name / f"{chunk:05}.npy"
        if not path.exists():
            _keep(path, render(_numbers(images.pool, chunk).tolist(), SIZE))
        return np.load(path)

    def _celeba(self) -> np.ndarray:
        folder = self.folder / "celeba64"
        if not folder.exists():
            prepare(CELEBA, folder, crop="celeba", size=SIZE, holdout=1000)
        return open_dataset(folder).images

    def _features(self, extractor: str, images: ImageSet, chunk: int) -> Path:
        return self.folder / "features" / extractor / images.name / f"{chunk:05}.npy"


def seeds(pool: str, count: int) -> np.ndarray:
    """Return the numbers of the first images of a pool."""
    return 3 * np.arange(count) + POOLS.index(pool)


@cache
def face_factors(pool: str, count: int) -> dict[str, np.ndarray]:
    """Return what the first painted faces of a pool were drawn from, by name."""
    rows = [vars(factors(seed)) for seed in seeds(pool, count).tolist()]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def is_there(stage: Stage) -> bool:
    """Return whether the stage's images and weights are on this machine."""
    has_images = stage.data == "painted" or CELEBA.exists()
    network = stage.extractor.partition("@")[0]
    return has_images and (network not in _WEIGHTS or _WEIGHTS[network].exists())


def _numbers(pool: str, chunk: int) -> np.ndarray:
    return seeds(pool, (chunk + 1) * CHUNK)[-CHUNK:]


@cache
def _network(name: str) -> Extractor:
    source = WeightSource({k: p for k, p in _WEIGHTS.items() if p.exists()}, trust=True)
    return extractors.create(name, source, "cpu")


def _change(name: str) -> Callable[[Pictures, int], Pictures]:
    if not name:
        return lambda images, seed: images
    if name in _OTHERS:
        return _OTHERS[name]
    kind, strength = name.rsplit(" ", 1)
    return lambda images, seed: changed(kind, int(strength), images, seed)


_OTHERS: dict[str, Callable[[Pictures, int], Pictures]] = {
    "jpeg": lambda images, seed: jpeg(images, 75),
    "mirrored": lambda images, seed: mirrored(images),
    "negative": lambda images, seed: negative(images),
}


def _keep(path: Path, array: np.ndarray) -> None:
    """Write an array so that it is there wholly or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as partial, partial.open("wb") as stream:
        np.save(stream, array)
