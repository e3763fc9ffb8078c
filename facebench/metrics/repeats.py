"""What a generator that repeats its images does to the uncertainty of precision.

Whether a repeated image lies within the real ones' neighbourhoods is one chance, however often the
image is there and however many real images there are: the balls are smaller then. Blocks hold it
as a chance that falls as 1/n. It is put back from how often the same image is inside the balls of
one block and outside those of another.
"""

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from facebench.metrics.uncertainty import Estimate


class _Chance(NamedTuple):
    variance: float
    """Σ w (w - 1/m) s² over images, w the share of the m generated ones that are this image and s²
    the variance of its being inside: what 1/m of it is, drawing the generated images holds."""
    by_block: Float64[np.ndarray, " blocks"]
    """Σ w (inside - its mean) over images: by how much each block is above the others."""


def with_repeats(
    precision: Estimate,
    images: Int64[np.ndarray, " m"],
    inside: list[Bool[np.ndarray, " _"]],
) -> Estimate:
    """Return the precision with the uncertainty that repeated images give it.

    Args:
        precision: the estimate from blocks.
        images: which image each generated one is, by number.
        inside: block by block, whether each generated image is inside.
    """
    if precision.groups is None:
        return precision
    chance, count = _chance(images, inside), len(inside)
    spread = precision.groups - precision.groups.mean()
    shared, own = (chance.by_block @ each / (count - 1) for each in (spread, chance.by_block))
    if not own:
        return precision
    # so much of `by_block` that the variance of the sum is that of both
    factor = (math.sqrt(shared**2 + own * count * chance.variance) - shared) / own
    return replace(precision, groups=precision.groups + factor * chance.by_block)


def _chance(images: Int64[np.ndarray, " m"], inside: list[Bool[np.ndarray, " _"]]) -> _Chance:
    blocks = np.repeat(np.arange(len(inside)), [len(each) for each in inside])
    shape = int(images.max()) + 1, len(inside)
    counts, hits = np.zeros(shape), np.zeros(shape)
    np.add.at(counts, (images, blocks), 1)
    np.add.at(hits, (images, blocks), np.concatenate(inside))
    several = (counts > 0).sum(1) > 1  # of which more than one block tells
    counts, hits = counts[several], hits[several]
    there = (counts > 0).sum(1, keepdims=True)
    is_inside = hits / np.maximum(counts, 1)
    spread = np.where(counts > 0, is_inside - is_inside.sum(1, keepdims=True) / there, 0)
    weights = counts.sum(1) / len(images)
    variances = np.square(spread).sum(1) / (there[:, 0] - 1)
    by_block = weights @ spread
    return _Chance(
        float(weights * (weights - 1 / len(images)) @ variances), by_block - by_block.mean()
    )
