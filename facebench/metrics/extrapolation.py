"""The Fréchet distance extrapolated to infinitely many images (Chong & Forsyth 2020, 1911.07023).

At N images the distance is too large by about c/N, with a c of the generator's own, so that even at
equal N it may rank two generators wrongly. Distances of nested subsets, fitted by a line in 1/N,
tell where it ends. The paper has the real images' moments from all there are and shrinks only the
generated set; here the real ones are few as well, so both sets shrink together.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from facebench.metrics.arrays import Features, as_pair
from facebench.metrics.frechet import frechet_with_influence
from facebench.metrics.uncertainty import Estimate, from_influence
from facebench.numerics.transfer import send

_SIZES = 1 / np.linspace(1, 2, 11)
"""Parts of the sets, evenly spaced in 1/N; below a half the curve is no line any more."""
MINIMUM = 4  # so that the smallest subset has 2


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
    value, curve = 0.0, []
    by_x, by_y = (torch.zeros(len(z), dtype=z.dtype, device=z.device) for z in (x, y))
    orders = zip(_nested(len(x), seed), _nested(len(y), seed + 1), strict=True)
    for weight, (rows_x, rows_y) in zip(_weights(), orders, strict=True):
        distance, of_x, of_y = frechet_with_influence(x.subset(rows_x), y.subset(rows_y))
        value += weight * distance
        curve.append((len(rows_y), distance))
        by_x[send(rows_x, x.device)] += weight * len(x) / len(rows_x) * (of_x - of_x.mean())
        by_y[send(rows_y, y.device)] += weight * len(y) / len(rows_y) * (of_y - of_y.mean())
    return replace(from_influence(value, by_x, by_y), curve=tuple(curve))


def _weights() -> Float64[np.ndarray, " sizes"]:
    """Return what each size's distance adds to the fitted line's intercept."""
    line = np.stack([np.ones_like(_SIZES), 1 / _SIZES], 1)
    return np.linalg.pinv(line)[0]


def _nested(count: int, seed: int) -> Iterator[Int64[Tensor, " rows"]]:
    order = torch.from_numpy(np.random.default_rng(seed).permutation(count))
    return (order[: round(count * size)] for size in _SIZES)
