"""The Fréchet distance extrapolated to infinitely many images (Chong & Forsyth 2020, 1911.07023).

At N images the distance is too large by about c/N, with a c of the generator's own, so that even at
equal N it may rank two generators wrongly. Distances of nested subsets, fitted by a line in 1/N,
tell where it ends. The paper has the real images' moments from all there are and shrinks only the
generated set; here the real ones are few as well, so both sets shrink together, unless the
reference is statistics.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from facebench.metrics.arrays import Features, Rows, as_pair, as_rows
from facebench.metrics.exchange import exchanged, shares
from facebench.metrics.frechet import FixedGaussian, frechet_with_influence, influence_of_pairs
from facebench.metrics.moments import Moments
from facebench.metrics.uncertainty import (
    Estimate,
    from_influence,
    pairs_counted_once,
    raised,
)
from facebench.numerics.transfer import send

_SIZES = 1 / np.linspace(1, 2, 11)
"""Parts of the sets, evenly spaced in 1/N; below a half the curve is no line any more."""
_FEW = 2
"""Images a dimension: with fewer, half of them have no covariance."""
MINIMUM = 4  # so that the smallest subset has 2

Distance = Callable[..., tuple[Any, ...]]
"""From sets to their distance and the influence on each of them."""


class _Fitted(NamedTuple):
    value: float
    influences: list[Float64[Tensor, " _"]]
    curve: tuple[tuple[int, float], ...]
    of_all: list[Float64[Tensor, " _"]]
    """The influence of the images on the distance of all."""


def frechet_infinity(real: Features, fake: Features, seed: int = 2020) -> float:
    """Return the Fréchet distance of features (n, d) and (m, d) extrapolated to 1/n, 1/m → 0.

    It may fall below 0, as any unbiased estimate of a distance near 0 does.

    Raises:
        BadInput: for fewer than 4 samples a side, unequal widths, or values that are not finite.
    """
    return frechet_infinity_estimate(real, fake, seed).value


def frechet_infinity_estimate(real: Features, fake: Features, seed: int = 2020) -> Estimate:
    """Return the extrapolated Fréchet distance, its uncertainty and the curve it ends.

    See `frechet_infinity`.
    """
    x, y = as_pair(real, fake, minimum=MINIMUM)
    return _extrapolated((x, y), (seed, seed + 1), frechet_with_influence)


def frechet_infinity_to_moments(features: Features, fixed: Moments, seed: int = 2020) -> Estimate:
    """Return the same of features (n, d) to a Gaussian that is given, which does not shrink.

    That is the paper's own way. The interval is that of the features alone.
    """
    y = as_rows(features, "generated features", MINIMUM)
    return _extrapolated((y,), (seed + 1,), FixedGaussian(fixed).with_influence)


def _extrapolated(sets: Sequence[Rows], seeds: Sequence[int], distance: Distance) -> Estimate:
    """Extrapolate a distance of subsets of `sets`, given with the influence on each of them."""
    found = _fitted(sets, seeds, distance)
    once = map(pairs_counted_once, found.influences, _pairs(sets, seeds))
    return replace(
        from_influence(found.value, *once),
        curve=found.curve,
        raised=raised(found.curve[0][1], found.of_all),
    )


def _fitted(sets: Sequence[Rows], seeds: Sequence[int], distance: Distance) -> "_Fitted":
    """Fit the distances of nested subsets by a line in 1/N, and follow it to its end."""
    value, curve = 0.0, []
    of_all: list[Float64[Tensor, " _"]] = []
    influences = [torch.zeros(len(z), dtype=z.dtype, device=z.device) for z in sets]
    orders = zip(*(_nested(len(z), seed) for z, seed in zip(sets, seeds, strict=True)), strict=True)
    for weight, orders_of_size in zip(_weights(), orders, strict=True):
        pairs = list(zip(sets, orders_of_size, strict=True))
        found, *parts = distance(*(z.subset(rows) for z, rows in pairs))
        value += weight * found
        curve.append((len(orders_of_size[-1]), found))
        of_all = of_all or parts
        for total, (z, rows), part in zip(influences, pairs, parts, strict=True):
            total[send(rows, z.device)] += weight * len(z) / len(rows) * (part - part.mean())
    return _Fitted(value, influences, tuple(curve), of_all)


def _weights() -> Float64[np.ndarray, " sizes"]:
    """Return what each size's distance adds to the fitted line's intercept."""
    line = np.stack([np.ones_like(_SIZES), 1 / _SIZES], 1)
    return np.linalg.pinv(line)[0]


def _pairs(sets: Sequence[Rows], seeds: Sequence[int]) -> list[Float64[Tensor, ""]]:
    """Return the mean square of the influence that pairs make in the extrapolated distance.

    With images enough for their covariance, a pair does the same at any size but for 1/N²; with few
    sets that are alike are extrapolated, too.
    """
    if len(sets) == 1 or min(map(len, sets)) > _FEW * sets[0].width:
        return [_repeated() * each for each in influence_of_pairs(*sets)]
    alike = exchanged(*sets)
    pairs = zip(
        shares(sets, alike), _fitted(alike, seeds, frechet_with_influence).influences, strict=True
    )
    return [share * each.square().mean() for share, each in pairs]


def _repeated() -> float:
    """Return how much more of the influence's square pairs make than in the distance of all.

    A pair adds to the distance of each size t that holds both its images, 1/t² of what it adds to
    that of all: in the sum of these, by their weights, its square counts. Of all pairs the part t²
    is in a size.
    """
    shares = np.cumsum(_weights() / _SIZES**2)  # of pairs that are in the sizes down to this one
    pairs = _SIZES**2 - np.append(_SIZES[1:], 0) ** 2  # that are in none smaller
    return float(pairs @ shares**2)


def _nested(count: int, seed: int) -> Iterator[Int64[Tensor, " rows"]]:
    order = torch.from_numpy(np.random.default_rng(seed).permutation(count))
    return (order[: round(count * size)] for size in _SIZES)
