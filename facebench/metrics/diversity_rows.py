"""How much the generated images differ among themselves: a function and a row each."""

import math
from typing import TYPE_CHECKING

from facebench.errors import BadInput
from facebench.metrics.metric import Metric

if TYPE_CHECKING:
    from facebench.metrics.feature_sets import Comparison
    from facebench.metrics.uncertainty import Estimate


def _inception_score(c: "Comparison") -> "Estimate":
    from facebench.metrics.inception import inception_estimate

    if c.fake.logits is None:
        raise BadInput("The Inception Score needs logits: extract with inception.")
    return inception_estimate(c.fake.logits, c.mode.splits, c.mode.seed)


def _rke(c: "Comparison") -> "Estimate":
    from facebench.metrics.renyi import rke_estimate

    return rke_estimate(c.real.features, c.fake.features).beside(c.real.rke)


def _ppl(c: "Comparison") -> "Estimate":
    from facebench.metrics.path_length import path_length
    from facebench.samplers.latent_steps import EPSILON

    if c.fake.steps is None:
        raise BadInput("PPL needs a model with a latent space, and steps through it.")
    return path_length(c.fake.steps["distance"], c.fake.steps["levels"], EPSILON)


ROWS: tuple[Metric, ...] = (
    Metric(
        "rke",
        "RKE",
        _rke,
        "reference",
        "Jalali et al. 2023, arXiv:2310.11714",
        "How many modes the set has, by how many pairs of images are alike under a Gaussian "
        "kernel; it should match the real images' own. Does not grow with N.",
        "Its bandwidth is half the root mean squared distance between two real images, so values "
        "of different references are not comparable; noise and poor images raise it as well as "
        "variety.",
        unit="modes",
        valid=(1.0, math.inf),
        looks_at=("diversity",),
        interval_note="Differences between two models that are as varied as the real images are "
        "called in 1 % of cases, not 5: too rarely, never too often.",
        interval="more noise",
    ),
    Metric(
        "lpips_diversity",
        "LPIPS diversity",
        lambda c: c.fake.diversity.beside(c.real.diversity.value),
        "reference",
        "Zhang et al. 2018, arXiv:1801.03924",
        "Mean perceptual distance between all pairs of generated images; it should match the real "
        "images' own, neither less nor more.",
        "Noise and artefacts raise it, so more is not better.",
        unit="LPIPS",
        needs="lpips",
        looks_at=("diversity",),
        interval_note="Differences between two models that are as varied as the real images are "
        "called in 1 % of cases, not 5: too rarely, never too often.",
    ),
    Metric(
        "vendi",
        "Vendi score",
        lambda c: c.fake.vendi.beside(c.real.vendi.value),
        "reference",
        "Friedman & Dieng 2023, arXiv:2210.02410",
        "How many entirely different images the set is worth, by the cosine similarity of their "
        "features; it should match the real images' own. Exact at any N.",
        "Grows with N, so compare only at equal N; noise raises it as well as variety.",
        unit="effective images",
        valid=(1.0, math.inf),
        interval_note="Differences between two models that are as varied as the real images are "
        "called in 1 % of cases, not 5: too rarely, never too often.",
        looks_at=("diversity",),
        default=False,
    ),
    Metric(
        "is",
        "IS",
        _inception_score,
        "higher",
        "Salimans et al. 2016, arXiv:1606.03498",
        "Whether an ImageNet classifier is sure of each image and sees many classes; it never "
        "looks at the real images.",
        "Sees ImageNet's classes, of which a face is none.",
        note="IS says little of faces: ImageNet has no class for them",
        unit="effective classes",
        valid=(1.0, 1008.0),
        needs="logits",
        minimum=10,
        default=False,
    ),
    Metric(
        "ppl",
        "PPL",
        _ppl,
        "lower",
        "Karras et al. 2019, arXiv:1812.04948",
        "How fast the images change along straight lines between latents, in LPIPS over the "
        "squared step: lower is smoother. Only models with a latent space have it.",
        "A model whose images are all alike has the lowest. Not comparable with published values: "
        "LPIPS is AlexNet's, and steps are 3 % of the way, for images are bytes, and the usual "
        "1e-4 would measure their rounding.",
        unit="LPIPS per squared step",
        needs="steps",
        looks_at=(),
        default=False,
    ),
)
