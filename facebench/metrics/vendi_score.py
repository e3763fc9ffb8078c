"""Vendi score: the effective number of different images (Friedman & Dieng 2023, 2210.02410).

It is exp of the entropy of the eigenvalues of K/n, K the similarity of all pairs. Similarity
is the cosine of two images' features, whose K has the eigenvalues of a d×d matrix: so the score is
exact at any n, and no n×n matrix is made where d is smaller.
"""

import math
from collections.abc import Callable, Iterator
from functools import reduce

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from facebench.metrics.arrays import CHUNK, Features, Rows, as_rows
from facebench.metrics.uncertainty import Estimate, from_influence, pairs_counted_once
from facebench.numerics.transfer import send

_STEP = 0.75
"""Between the nodes of the integral, in log t: the trapezoids' error is far below rounding."""
_BEYOND = 20.0
_PAIRS, _PAIRS_AT_ONCE = 4096, 1024
_SEED = 0
_EQUAL = 1e-6  # relative

Along = Callable[[Int64[Tensor, " rows"]], Float64[Tensor, "rows r"]]
"""From numbers of samples to their components along the eigenvectors."""


def vendi(features: Features) -> float:
    """Return the Vendi score of features (n, d): between 1 (all alike) and min(n, d).

    Raises:
        BadInput: for fewer than 2 samples, or values that are not finite.
    """
    return vendi_estimate(features).value


def vendi_estimate(features: Features) -> Estimate:
    """Return the Vendi score and its uncertainty.

    A sample's influence is what the score loses without it, times n - 1.
    """
    rows = as_rows(features, minimum=2)
    count, narrow = len(rows), len(rows) > rows.width
    values, vectors = _positive((_scatter(rows) if narrow else _similarities(rows)) / count)
    score = float((-(values * values.log()).sum()).exp())
    along = _along(rows, vectors) if narrow else _rows_of(vectors * (count * values).sqrt())
    parts = torch.split(torch.arange(count), CHUNK)
    without = torch.cat([_without_each(values, along(part), count) for part in parts])
    of_pairs = score**2 * _mean_square_of_pairs(values, along, count) / count
    return from_influence(score, pairs_counted_once((1 - count) * without, of_pairs))


def _directions(rows: Rows) -> Iterator[Float64[Tensor, "n d"]]:
    return (torch.nn.functional.normalize(chunk) for _, chunk in rows.chunks())


def _scatter(rows: Rows) -> Float64[Tensor, "d d"]:
    return reduce(torch.add, (z.T @ z for z in _directions(rows)))


def _similarities(rows: Rows) -> Float64[Tensor, "n n"]:
    z = torch.cat(list(_directions(rows)))
    return z @ z.T


def _positive(
    matrix: Float64[Tensor, "s s"],
) -> tuple[Float64[Tensor, " r"], Float64[Tensor, "s r"]]:
    """Return the eigenvalues that are more than rounding, and their vectors."""
    values, vectors = torch.linalg.eigh(matrix)
    kept = values > values[-1] * len(values) * torch.finfo(values.dtype).eps
    return values[kept], vectors[:, kept]


def _along(rows: Rows, vectors: Float64[Tensor, "d r"]) -> Along:
    return lambda numbers: torch.cat([z @ vectors for z in _directions(rows.subset(numbers))])


def _rows_of(components: Float64[Tensor, "n r"]) -> Along:
    return lambda numbers: components[send(numbers, components.device)]


def _without_each(
    values: Float64[Tensor, " r"], along: Float64[Tensor, "b r"], count: int
) -> Float64[Tensor, " b"]:
    """Return the score of all samples but one, for each of some, from one decomposition.

    C - zzᵀ/n has the eigenvalues μ of the others, times (n - 1)/n, and

        Σ μ log μ - Σ λ log λ = -s - ∫₀^∞ (log r(t) + s/(1 + t)) dt,   s = Σ λ - Σ μ = ‖z‖²/n,
        r(t) = det(C - zzᵀ/n + t) / det(C + t) = 1 - Σ (zᵀv)²/n / (λ + t)

    for x log x - x = ∫ (x/(1 + t) - log((x + t)/t)) dt. The derivative would not do: of few samples
    each has a direction of its own, which goes with it altogether.

    Args:
        values: the eigenvalues λ of C.
        along: the samples' components zᵀv.
        count: how many samples there are in all, n.
    """
    squares, t = along.square() / count, _nodes(values)
    ratio = (1 - squares @ (1 / (values[:, None] + t))).clamp(min=torch.finfo(t.dtype).eps)
    missing = squares.sum(1)
    integral = _STEP * ((ratio.log() + missing[:, None] / (1 + t)) @ t)
    summed = (values * values.log()).sum() - missing - integral
    kept, scale = values.sum() - missing, count / (count - 1)
    return (-scale * (summed + kept * math.log(scale))).exp()


def _nodes(values: Float64[Tensor, " r"]) -> Float64[Tensor, " nodes"]:
    """Return where to integrate, evenly spaced in log t: the integrand falls as t and as 1/t."""
    least = float(values[0]) if len(values) else 1.0  # none: all features are 0
    low = math.log(least) - _BEYOND
    count = math.ceil((_BEYOND - low) / _STEP)
    return torch.linspace(
        low, low + count * _STEP, count + 1, dtype=values.dtype, device=values.device
    ).exp()


def _mean_square_of_pairs(
    values: Float64[Tensor, " r"], along: Along, count: int
) -> Float64[Tensor, ""]:
    """Return the mean square of what pairs of samples add to the entropy, over random pairs.

    A pair z, z' adds 1 - Σₖₗ zₖzₗ Dₖₗ z'ₖz'ₗ in the eigenvectors' coordinates, where Dₖₗ is the
    difference quotient of the logarithm, (log λₖ - log λₗ) / (λₖ - λₗ): the entropy's second
    derivative. The mean over either sample is 0.
    """
    random = np.random.default_rng(_SEED)
    first = random.integers(count, size=_PAIRS)
    second = (first + random.integers(1, count, size=_PAIRS)) % count
    pairs = torch.split(torch.from_numpy(np.stack([first, second])), _PAIRS_AT_ONCE, dim=1)
    quotients = _quotients(values)
    products = (along(i) * along(j) for i, j in pairs)
    return torch.cat([((z @ quotients) * z).sum(1) for z in products]).var(correction=0)


def _quotients(values: Float64[Tensor, " r"]) -> Float64[Tensor, "r r"]:
    """Return (log λₖ - log λₗ) / (λₖ - λₗ), which is 1/λ between equal ones."""
    ratio = (values[:, None] / values).log()
    apart = values[:, None] - values
    middle = 2 / (values[:, None] + values)
    return torch.where(apart.abs() > _EQUAL * values, ratio / apart, middle)
