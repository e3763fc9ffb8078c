"""The checks of the validity table: what is wrong with the generated images, by how much.

A check compares a changed generator with an ideal one, both against the same real images. Only
damage needs images of its own: everything else is a choice of rows among features that are kept.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple
from zlib import crc32

import numpy as np
from validity_changes import STRENGTHS, UNITS
from validity_sets import ImageSet, Stage, Work, face_factors

from facebench.metrics.feature_sets import FeatureSet
from facebench.metrics.frechet import frechet_estimate
from facebench.metrics.metric import Aspect
from facebench.metrics.uncertainty import Estimate

Rows = np.ndarray


class Sides(NamedTuple):
    """What a metric is asked about."""

    real: FeatureSet
    fake: FeatureSet


class Pools:
    """The features of one stage, read when they are asked for."""

    def __init__(self, work: Work, stage: Stage) -> None:
        self.stage = stage
        self._work = work
        self._kept: dict[ImageSet, np.ndarray] = {}

    def features(self, pool: str, change: str = "") -> np.ndarray:
        """Return all features of a set of images."""
        images = ImageSet(self.stage.data, pool, change)
        if images not in self._kept:
            count = dict(self.stage.sets())[images]
            self._kept[images] = self._work.features(self.stage.extractor, images, count)
        return self._kept[images]

    def factor(self, pool: str, name: str) -> np.ndarray:
        """Return a factor of each painted face of a pool."""
        return face_factors(pool, getattr(self.stage, pool))[name]


class Draw:
    """One trial: which of the images of the pools are taken; the same for every extractor."""

    def __init__(self, pools: Pools, n: int, trial: int) -> None:
        self.pools, self.n, self.trial = pools, n, trial
        stage, rng = pools.stage, self.rng("rows")
        self.real_rows = rng.permutation(stage.real)
        self.ideal_rows = rng.permutation(stage.damaged)[:n]

    def rng(self, purpose: str) -> np.random.Generator:
        """Return the random numbers of a purpose, the same whatever else is drawn."""
        return np.random.default_rng([crc32(purpose.encode()), self.n, self.trial])

    def set(self, rows: Rows, pool: str = "generated", change: str = "") -> FeatureSet:
        """Return some images' features, with their classes where these are known."""
        labels = None
        if self.pools.stage.data == "painted":
            labels = np.where(self.pools.factor(pool, "smile")[rows] > 0.5, "smiling", "serious")
        return FeatureSet(self.pools.features(pool, change)[rows], labels=labels)

    @cached_property
    def real(self) -> FeatureSet:
        """The real images."""
        return self.set(self.real_rows[: self.n], "real")

    @cached_property
    def floor(self) -> Estimate:
        """The Fréchet distance of as many other real images."""
        rows = self.real_rows[self.n : 2 * self.n]
        if len(rows) < self.n:
            raise LookupError("too few real images for a floor")
        return frechet_estimate(self.real.features, self.set(rows, "real").features)

    @cached_property
    def ideal(self) -> FeatureSet:
        """Those of a generator without fault."""
        return self.set(self.ideal_rows)

    @cached_property
    def training(self) -> FeatureSet:
        """All the images that a model may have copied."""
        return FeatureSet(self.pools.features("training"))

    @cached_property
    def base(self) -> Sides:
        """The ideal generator beside the real images."""
        return Sides(self.real, self.ideal)

    def others(self) -> Rows:
        """Return the generated images that the ideal generator did not take, in random order."""
        rest = np.setdiff1d(np.arange(self.pools.stage.generated), self.ideal_rows)
        return self.rng("others").permutation(rest)

    def mixed(self, share: float, kept: FeatureSet, others: FeatureSet) -> FeatureSet:
        """Return `kept` with a share of its images, at random places, replaced by `others`."""
        places = self.rng("places").permutation(self.n)[: round(share * self.n)]
        features = np.array(kept.features)
        features[places] = others.features[: len(places)]
        labels = None if kept.labels is None else kept.labels.copy()
        if labels is not None and others.labels is not None:
            labels[places] = others.labels[: len(places)]
        return FeatureSet(features, labels=labels)


@dataclass(frozen=True)
class Check:
    """One thing that can be wrong, in some strengths."""

    name: str
    aspect: Aspect | None
    """Which metrics should see it; None: nothing is wrong, and all should stand still."""
    strengths: tuple[str, ...]
    make: Callable[[Draw, int], Sides]
    """Given the draw, and which of the strengths, from 0."""
    base: Callable[[Draw], Sides] | None = None
    """What it is compared with, where that is not the ideal generator."""
    is_of_factors: bool = False
    """Whether it needs to know what the faces were painted from."""
    of_shares: bool = False
    """Whether only metrics that count images, more is better, should stand still."""


def _damaged(kind: str, draw: Draw, level: int) -> Sides:
    return Sides(draw.real, draw.set(draw.ideal_rows, change=f"{kind} {level + 1}"))


def _chosen(draw: Draw, fits: np.ndarray) -> Rows:
    """Return N generated images that fit; those that the ideal generator has, at their places."""
    rows = draw.ideal_rows.copy()
    others = draw.others()
    lacking = np.flatnonzero(~fits[rows])
    spare = others[fits[others]]
    if len(spare) < len(lacking):
        raise LookupError("too few images of the kind")
    rows[lacking] = spare[: len(lacking)]
    return rows


def _no_glasses(draw: Draw, level: int) -> Sides:
    fits = draw.pools.factor("generated", "glasses") == "none"
    return Sides(draw.real, draw.set(_chosen(draw, fits)))


def _one_pose(draw: Draw, level: int) -> Sides:
    turn = np.abs(draw.pools.factor("generated", "yaw"))
    return Sides(draw.real, draw.set(_chosen(draw, turn < np.quantile(turn, 1 / 3))))


def _one_tone(draw: Draw, level: int) -> Sides:
    fits = draw.pools.factor("generated", "skin_tone") < 0.15
    return Sides(draw.real, draw.set(_chosen(draw, fits)))


INVENTED = (0.05, 0.1, 0.2, 0.3, 0.4)
UNBALANCED = (0.6, 0.7, 0.8, 0.9, 0.95)
OUTLIERS = (0.01, 0.02, 0.05, 0.1, 0.2)
COPIED = (0.05, 0.2, 0.5, 1.0)


def _without_glasses(draw: Draw) -> Sides:
    bare = np.flatnonzero(draw.pools.factor("real", "glasses")[draw.real_rows] == "none")
    real = draw.real_rows[bare[: draw.n]]
    if len(real) < draw.n:
        raise LookupError("too few images without glasses")
    return Sides(draw.set(real, "real"), _no_glasses(draw, 0).fake)


def _invented(draw: Draw, level: int) -> Sides:
    base, others = _without_glasses(draw), draw.others()
    worn = others[draw.pools.factor("generated", "glasses")[others] != "none"]
    if len(worn) < INVENTED[level] * draw.n:
        raise LookupError("too few images with glasses")
    return Sides(base.real, draw.mixed(INVENTED[level], base.fake, draw.set(worn)))


def _unbalanced(draw: Draw, level: int) -> Sides:
    """Return the real images with a half of light skin, and another share of such generated."""
    tone = draw.pools.factor("generated", "skin_tone")
    light, dark = (draw.rng(f"imbalance {n}") for n in (1, 2))
    middle = np.median(tone)
    count = round(UNBALANCED[level] * draw.n)
    pair = (tone < middle, light, count), (tone >= middle, dark, draw.n - count)
    rows = np.concatenate([rng.permutation(np.flatnonzero(fit))[:k] for fit, rng, k in pair])
    return Sides(draw.real, draw.set(draw.rng("imbalance order").permutation(rows)))


def _collapsed(draw: Draw, level: int) -> Sides:
    rows = np.resize(draw.ideal_rows[: kept_images(draw.n)[level]], draw.n)
    return Sides(draw.real, draw.set(rows))


def kept_images(n: int) -> tuple[int, ...]:
    """Return the numbers of images to which a generator of `n` collapses."""
    return n // 2, n // 4, n // 10, n // 20, 10


def _negatives(draw: Draw) -> FeatureSet:
    return draw.set(draw.rng("outliers").permutation(draw.pools.stage.outliers), *_NEGATIVE)


_NEGATIVE = ("training", "negative")


def _generated_outliers(draw: Draw, level: int) -> Sides:
    return Sides(draw.real, draw.mixed(OUTLIERS[level], draw.ideal, _negatives(draw)))


def _real_outliers(draw: Draw, level: int) -> Sides:
    return Sides(draw.mixed(0.05, draw.real, _negatives(draw)), draw.ideal)


def _copies(change: str, draw: Draw, level: int) -> Sides:
    rows = draw.rng("copies").permutation(draw.pools.stage.damaged)[: draw.n]
    rows = rows[rows < draw.pools.stage.training]
    copied = draw.set(rows, "training", change)
    return Sides(draw.real, draw.mixed(COPIED[level], draw.ideal, copied))


def _another_ideal(draw: Draw, level: int) -> Sides:
    return Sides(draw.real, draw.set(draw.others()[: draw.n]))


def _fewer(draw: Draw, level: int) -> Sides:
    return Sides(draw.real, draw.set(draw.others()[: draw.n // (2, 5)[level]]))


_NAMES = {"jpeg": "JPEG"}


def _of_damage(kind: str) -> Check:
    strengths = tuple(UNITS[kind].format(value) for value in STRENGTHS[kind])
    return Check(_NAMES.get(kind, kind), "fidelity", strengths, partial(_damaged, kind))


def _shares(values: tuple[float, ...], text: str = "{:.0%}") -> tuple[str, ...]:
    return tuple(text.format(value) for value in values)


_COLLAPSE = ("N/2", "N/4", "N/10", "N/20", "10 images")
CHECKS: Mapping[str, Check] = {
    check.name: check
    for check in (
        Check("ideal", None, ("another ideal generator",), _another_ideal),
        Check("unequal N", None, ("half as many images", "a fifth as many"), _fewer),
        Check("outliers among the real", None, ("5% negatives",), _real_outliers, of_shares=True),
        *map(_of_damage, STRENGTHS),
        Check(
            "outliers among the generated",
            "fidelity",
            _shares(OUTLIERS, "{:.0%} negatives"),
            _generated_outliers,
        ),
        Check(
            "invented glasses",
            "fidelity",
            _shares(INVENTED, "{:.0%} with glasses, of which no real face has any"),
            _invented,
            base=_without_glasses,
            is_of_factors=True,
        ),
        Check("missing glasses", "diversity", ("none of 18%",), _no_glasses, is_of_factors=True),
        Check(
            "a single pose", "diversity", ("the most frontal third",), _one_pose, is_of_factors=True
        ),
        Check(
            "a single skin tone", "diversity", ("the lightest 30%",), _one_tone, is_of_factors=True
        ),
        Check(
            "imbalance",
            "diversity",
            ("60:40", "70:30", "80:20", "90:10", "95:5"),
            _unbalanced,
            is_of_factors=True,
        ),
        Check("collapse", "diversity", _COLLAPSE, _collapsed),
        Check("copies", "copies", _shares(COPIED), partial(_copies, "")),
        Check("copies, JPEG", "copies", _shares(COPIED), partial(_copies, "jpeg")),
        Check("copies, mirrored", "copies", _shares(COPIED), partial(_copies, "mirrored")),
    )
}
"""By name, in the order of the table."""
