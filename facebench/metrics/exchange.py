"""Pairs of sets that differ by chance alone, made of the images of two sets, or of one.

What a distance does between such a pair is noise, and the part of noise that pairs of images make:
see :func:`facebench.metrics.uncertainty.pairs_counted_once`. The same places are exchanged for
every model, so that models stay comparable.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from facebench.metrics.arrays import Rows

_SEED = 0
_PER_DIMENSION, _LEAST = 4, 4096
"""No more images of a set are taken than this many a dimension, or than `_LEAST`: enough for what
noise depends on, and they must lie in memory."""


WithInfluence: TypeAlias = Callable[
    [Rows, Rows], tuple[float, Float64[Tensor, " n"], Float64[Tensor, " m"]]
]
"""A distance of two sets: its value, and the influence of each image of either."""


def influence_of_pairs(
    distance: WithInfluence, *sets: Rows, minimum: int = 2
) -> list[Float64[Tensor, ""]]:
    """Return the mean square of the influence that pairs make: that between sets that are alike.

    It is that of the images exchanged between both sets at random, and, of one set to a Gaussian
    that is given, of its halves; 0 where there are fewer images in all than `minimum`.
    """
    if sum(map(len, sets)) < minimum:
        return [torch.zeros((), dtype=z.dtype, device=z.device) for z in sets]
    alike = exchanged(*sets) if len(sets) > 1 else halves(*sets)
    _, *influences = distance(*alike)
    pairs = zip(shares(sets, alike), influences, strict=False)
    return [share * each.var(correction=0) for share, each in pairs]


def shares(sets: Sequence[Rows], alike: Sequence[Rows]) -> list[Float64[Tensor, ""]]:
    """Return by what noise between sets that are alike is to be multiplied, for each of `sets`.

    Fewer images have more of it. A set that scatters less than the mixture has less of it: its own
    part of the mixture's variance, the rest of which is the other side's and how far that lies.
    """
    scale = sum(1 / len(z) for z in sets) / sum(1 / len(z) for z in alike)
    mixed = torch.stack([_spread(z) for z in alike]).mean()
    least = torch.finfo(mixed.dtype).tiny
    return [scale * (_spread(z) / mixed.clamp(min=least)).clamp(max=1) for z in sets]


def _spread(x: Rows) -> Float64[Tensor, ""]:
    """Return the mean squared distance from the mean."""
    mean = torch.stack([chunk.sum(0) for _, chunk in x.chunks()]).sum(0) / len(x)
    return torch.stack([(chunk - mean).square().sum() for _, chunk in x.chunks()]).sum() / len(x)


def exchanged(x: Rows, y: Rows) -> tuple[Rows, Rows]:
    """Return two sets of as many images as `x` and `y` have, each image of either at random."""
    few = [_some(z, seed) for seed, z in enumerate((x, y), _SEED)]
    both = Rows(torch.cat([z[:] for z in few]), x.dtype, x.device)
    order = _order(len(both), _SEED)
    count = len(few[0])
    return both.subset(order[:count]), both.subset(order[count:])


def halves(x: Rows) -> tuple[Rows, Rows]:
    """Return two sets of half as many images as `x` has."""
    few = _some(x, _SEED)
    order = _order(len(few), _SEED)
    return few.subset(order[: len(few) // 2]), few.subset(order[len(few) // 2 :])


def _some(x: Rows, seed: int) -> Rows:
    most = max(_PER_DIMENSION * x.width, _LEAST)
    return x if len(x) <= most else x.subset(_order(len(x), seed)[:most])


def _order(count: int, seed: int) -> Int64[Tensor, " n"]:
    return torch.from_numpy(np.random.default_rng(seed).permutation(count))
