"""Whether training images come back: a function and a row each."""

import math
from typing import TYPE_CHECKING

from facebench.errors import BadInput
from facebench.metrics.metric import Metric

if TYPE_CHECKING:
    from facebench.metrics.feature_sets import Comparison
    from facebench.metrics.uncertainty import Estimate


def _authenticity(c: "Comparison") -> "Estimate":
    from facebench.metrics.memorization import authenticity_estimate

    if c.training is None:
        raise BadInput("Authenticity needs the training images' features: extract them.")
    return authenticity_estimate(c.training.features, c.fake.features)


def _data_copying(c: "Comparison") -> "Estimate":
    from facebench.metrics.data_copying import data_copying_estimate

    if c.training is None:
        raise BadInput("C_T needs the training images' features: extract them.")
    if not c.is_apart:
        raise BadInput(
            "C_T needs real images that are not training images: give a data set with a hold-out "
            "(facebench data prepare), and no other --split"
        )
    return data_copying_estimate(c.training.cells, c.real.features, c.fake.features)


ROWS: tuple[Metric, ...] = (
    Metric(
        "authenticity",
        "Authenticity",
        _authenticity,
        "higher",
        "Alaa et al. 2022, arXiv:2102.08921",
        "Share of the generated images that lie farther from their nearest training image than "
        "that image from its own neighbour: a copycat has 0.",
        "Blind to copies of faces that training holds twice, and good models score lower than bad "
        "ones, which lie far from everything.",
        unit="share of the generated images",
        valid=(0.0, 1.0),
        needs="training",
        default=False,
        looks_at=("copies",),
    ),
    Metric(
        "ct",
        "C_T",
        _data_copying,
        "reference",
        "Meehan et al. 2020, arXiv:2004.05675",
        "Whether generated images lie nearer to the training images than held-out ones do: 0 as "
        "these, far below 0 copies, above 0 farther away than real images.",
        "Poor images lie far from everything and hide copies among them, and averaged faces look "
        "like copies to it; it grows with √N, so compare only at equal N.",
        unit="standard deviations of chance",
        valid=(-math.inf, math.inf),
        needs="training",
        default=False,
        interval_note="Close to 0 differences are called too rarely, in 1 to 2 % of equal models: "
        "what is compared is the distance from 0.",
        looks_at=("copies",),
    ),
)
