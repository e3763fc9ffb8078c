"""FDr: the Fréchet distance over that of real images, mean over networks (arXiv:2604.28190).

    FDr = 1/k Σ FDᵢ(generated, reference) / FDᵢ(other real images, reference)

over k networks. Of each network's distance the noise floor is made the unit, so that no network
outweighs the others by the scale of its features alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from facebench.errors import BadInput
from facebench.metrics.uncertainty import Estimate, PseudoValues

_ROUNDING = 1e-9  # of a distance: a floor that is no larger is 0


@dataclass(frozen=True, eq=False)
class OverFloor:
    """The Fréchet distance in one network's features, and that of as many other real images."""

    distance: Estimate
    floor: Estimate

    @property
    def value(self) -> float:
        """How many times the floor the distance is."""
        return self.distance.value / self.floor.value

    @property
    def groups(self) -> PseudoValues | None:
        """Pseudo-values over this very floor, which all models have in common."""
        above = self.distance.groups
        return None if above is None else above / self.floor.value

    @property
    def of_interval(self) -> PseudoValues | None:
        """Those with the noise of the floor's images, too, by the derivative of the quotient."""
        groups, below = self.groups, self.floor.groups
        if groups is None or below is None or len(groups) != len(below):
            return None
        return groups - self.value * (below / self.floor.value - 1)


def mean_over_floors(parts: Sequence[OverFloor]) -> Estimate:
    """Return the mean of the distances over their floors, and how sure it is.

    Group *g* is of the same images in every network, so its pseudo-value is the mean of theirs. The
    noise of the floor's images is in the interval, but not in what differences are judged by: all
    models have the floor in common.

    Raises:
        BadInput: for fewer than two networks, and where a floor is 0.
    """
    if len(parts) < 2:
        raise BadInput(
            "FDr is a mean over the distances of two networks or more, each with its noise floor: "
            "name several in --extractor."
        )
    if not all(part.floor.value > _ROUNDING * part.distance.value >= 0 for part in parts):
        raise BadInput(
            "FDr divides by the distance between real images, which is 0 in one of the networks: "
            "leave that network out, or give real images that are not copies of each other."
        )
    value = float(np.mean([part.value for part in parts]))
    groups = _mean([part.groups for part in parts])
    of_interval = _mean([part.of_interval for part in parts])
    if groups is None or of_interval is None:
        return Estimate(value)
    return Estimate(value, groups, of_interval=of_interval)


def _mean(groups: Sequence[Float64[np.ndarray, " _"] | None]) -> PseudoValues | None:
    """Return the mean over networks; None unless all have equally many pseudo-values."""
    known = [each for each in groups if each is not None]
    if len(known) < len(groups) or len({*map(len, known)}) > 1:
        return None
    return np.mean(known, axis=0)
