"""Distances between the two distributions, a function and a row each."""

import math
from typing import TYPE_CHECKING

from facebench.errors import BadInput
from facebench.metrics.metric import Metric

if TYPE_CHECKING:
    from facebench.metrics.feature_sets import Comparison
    from facebench.metrics.uncertainty import Estimate


def _fid(c: "Comparison") -> "Estimate":
    from facebench.metrics import frechet
    from facebench.metrics.uncertainty import Estimate

    real, fake = c.real.moments, c.fake.moments
    if real is not None and fake is not None:
        return Estimate(frechet.frechet_from_moments(real, fake))
    if real is not None:
        return frechet.frechet_to_moments(c.fake.features, real)
    if fake is not None:
        return frechet.frechet_to_moments(c.real.features, fake)
    return frechet.frechet_estimate(c.real.features, c.fake.features)


def _fid_class(c: "Comparison") -> "Estimate":
    from facebench.metrics.per_class import frechet_per_class

    if c.real.labels is None or c.fake.labels is None:
        raise BadInput("The distance per class needs a class for each image, on both sides.")
    return frechet_per_class(c.real.features, c.fake.features, c.real.labels, c.fake.labels)


def _fdr(c: "Comparison") -> "Estimate":
    from facebench.metrics.frechet_ratio import mean_over_floors

    return mean_over_floors(c.over_floors)


def _fid_inf(c: "Comparison") -> "Estimate":
    from facebench.metrics import extrapolation

    if c.real.moments is not None:
        return extrapolation.frechet_infinity_to_moments(
            c.fake.features, c.real.moments, c.mode.seed
        )
    return extrapolation.frechet_infinity_estimate(c.real.features, c.fake.features, c.mode.seed)


def _kid(c: "Comparison") -> "Estimate":
    from facebench.metrics.kernel import kernel_estimate

    real, fake = c.real.features, c.fake.features
    size = min(c.mode.kid_subset_size, len(real), len(fake))
    return kernel_estimate(real, fake, c.mode.kid_subsets, size, c.mode.seed)


def _cmmd(c: "Comparison") -> "Estimate":
    from facebench.metrics.kernel import cmmd_estimate

    return cmmd_estimate(c.real.features, c.fake.features)


def _mind(c: "Comparison") -> "Estimate":
    from facebench.metrics.monge import mind_estimate

    return mind_estimate(c.real.features, c.fake.features, seed=c.mode.seed)


_NULL_NOTE = (
    "Differences between two nearly perfect models are called in 2 % of cases, not 5: too rarely, "
    "never too often."
)

ROWS: tuple[Metric, ...] = (
    Metric(
        "fid",
        "FID",
        _fid,
        "lower",
        "Heusel et al. 2017, arXiv:1706.08500",
        "Distance between the real and the generated images' feature distributions, each taken "
        "as one Gaussian; 0 is perfect.",
        "Biased upwards at small N, so compare only at equal N; it sees backgrounds and hats "
        "before eyes and mouths.",
        unit="squared feature units",
        distance="fd",
        elsewhere="Fréchet distance",
        from_moments=("real", "fake"),
    ),
    Metric(
        "fid_class",
        "Per-class FID",
        _fid_class,
        "lower",
        "Miyato & Koyama 2018, arXiv:1802.05637 (intra FID)",
        "Mean over the classes of the distance within each, between its real and its generated "
        "images; 0 is perfect.",
        "Biased upwards, the more so the fewer images a class has: comparable only at equal "
        "numbers of images in every class.",
        unit="squared feature units",
        needs="labels",
        distance="fd_class",
        elsewhere="Per-class Fréchet distance",
    ),
    Metric(
        "fdr",
        "FDr",
        _fdr,
        "lower",
        "Yang et al. 2026, arXiv:2604.28190",
        "How many times as far from the real images as other real images are: the Fréchet distance "
        "over its noise floor, mean over the networks; real images score 1.",
        "Depends on N, as bias pulls it towards 1 at small N, and on the networks: compare only at "
        "equal N and with the same ones. The published values are of six networks on ImageNet, "
        "over the distance of its validation images from the training ones.",
        unit="1 = as real images",
        needs="floors",
        minimum=4,
        interval_note="The noise of the floor's images is in it; differences are judged without "
        "it, for models have the floor in common.",
        interval="more noise",
    ),
    Metric(
        "mind",
        "MIND",
        _mind,
        "lower",
        "Berthet et al. 2026, arXiv:2605.06797",
        "Squared distance the features have to be moved to become the real ones', mean over 1,000 "
        "directions, along each of which it is exact; 0 is perfect.",
        "Biased upwards at small N, though less than FID, so compare only at equal N; it sees the "
        "features along one direction at a time.",
        unit="squared feature units",
        distance="mind",
        elsewhere="MIND",
        interval_note=_NULL_NOTE,
    ),
    Metric(
        "cmmd",
        "CMMD",
        _cmmd,
        "lower",
        "Jayasumana et al. 2024, arXiv:2401.09603",
        "Squared distance under a Gaussian kernel, times 1000, between features of length 1; "
        "unbiased, and no Gaussian is assumed.",
        "Published values are of CLIP's features, --extractor clip: of others it is another scale, "
        "which its name says.",
        unit="kernel units × 1000",
        valid=(-math.inf, math.inf),
        distance="cmmd",
        elsewhere="CMMD",
        home="clip",
        interval_note=_NULL_NOTE,
    ),
    Metric(
        "kid",
        "KID",
        _kid,
        "lower",
        "Bińkowski et al. 2018, arXiv:1801.01401",
        "Squared kernel distance between the two feature distributions; unbiased, so it may fall "
        "slightly below its ideal of 0.",
        "Values near 0 are noise; its features are FID's, with the same blind spots.",
        unit="kernel units",
        valid=(-math.inf, math.inf),
        distance="kd",
        elsewhere="Kernel distance",
        interval_note=_NULL_NOTE,
    ),
    Metric(
        "fid_inf",
        "FID∞",
        _fid_inf,
        "lower",
        "Chong & Forsyth 2020, arXiv:1911.07023",
        "FID as it would be of infinitely many images: a line in 1/N through nested subsets, "
        "followed to its end.",
        "Noisier than FID; with fewer images than feature dimensions only part of the bias is "
        "taken away.",
        unit="squared feature units",
        valid=(-math.inf, math.inf),
        minimum=4,
        distance="fd_inf",
        elsewhere="Fréchet distance∞",
        from_moments=("real",),
    ),
)
