"""Whether training images come back: a function and a row each."""

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
)
