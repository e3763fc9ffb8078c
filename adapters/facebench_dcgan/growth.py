"""When a growing GAN is of which size (Karras et al. 2018, arXiv:1710.10196)."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Growth(NamedTuple):
    """Where a step is: the stage, whose images have ``4 << stage`` pixels, and how far faded in."""

    stage: int
    alpha: float


def growth_of(config: Mapping[str, Any], step: int) -> tuple[int, float]:
    """Return the stage after so many steps of a run, -1 where nothing grows, and how far it is."""
    if not config["progressive"]:
        return -1, 1.0
    return growth(max(step, 1), config["steps"], config["size"])


def growth(step: int, steps: int, size: int) -> Growth:
    """Return where step `step` of `steps` is.

    The stages below `size` share the first half of the steps equally; each but the first fades in
    over the first half of its time, the last over the first quarter of its. In fewer steps than
    that takes nothing grows: all are of the full size.

    >>> [tuple(growth(step, 800, 64)) for step in (1, 100, 101, 150, 200, 401, 800)]
    [(0, 1.0), (0, 1.0), (1, 0.02), (1, 1.0), (1, 1.0), (4, 0.01), (4, 1.0)]
    """
    last = size.bit_length() - 3
    share = steps // 2 // last
    if not share:
        return Growth(last, 1.0)
    stage = min((step - 1) // share, last)
    faded = (step - stage * share) / max(share // 2 if stage < last else share, 1)
    return Growth(stage, 1.0 if stage == 0 else min(faded, 1.0))
