"""FDr: the Fréchet distance over that of real images, mean over networks (arXiv:2604.28190).

    FDr = 1/k Σ FDᵢ(generated, reference) / FDᵢ(other real images, reference)

over k networks. Of each network's distance the noise floor is made the unit, so that no network
outweighs the others by the scale of its features alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facebench.errors import BadInput
from facebench.metrics.uncertainty import Estimate

_ROUNDING = 1e-9  # of a distance: a floor that is no larger is 0


@dataclass(frozen=True, eq=False)
class OverFloor:
    """The Fréchet distance in one network's features, and that of as many other real images."""

    distance: Estimate
    floor: float


def mean_over_floors(parts: Sequence[OverFloor]) -> Estimate:
    """Return the mean of the distances over their floors, and how sure it is.

    Group *g* is of the same images in every network, so its pseudo-value is the mean of theirs. The
    floors are taken as they stand: they are the same for all models.

    Raises:
        BadInput: for fewer than two networks, and where a floor is 0.
    """
    if len(parts) < 2:
        raise BadInput(
            "FDr is a mean over the distances of two networks or more, each with its noise floor: "
            "name several in --extractor."
        )
    if not all(part.floor > _ROUNDING * part.distance.value >= 0 for part in parts):
        raise BadInput(
            "FDr divides by the distance between real images, which is 0 in one of the networks: "
            "leave that network out, or give real images that are not copies of each other."
        )
    value = float(np.mean([part.distance.value / part.floor for part in parts]))
    groups = [
        part.distance.groups / part.floor for part in parts if part.distance.groups is not None
    ]
    if len(groups) < len(parts) or len({len(each) for each in groups}) > 1:
        return Estimate(value)
    return Estimate(value, np.mean(groups, axis=0))
