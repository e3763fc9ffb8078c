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


ROWS: tuple[Metric, ...] = (
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
    ),
)
