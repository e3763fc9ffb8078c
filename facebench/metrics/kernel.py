"""Kernel distance: unbiased MMD² with a cubic kernel (Bińkowski et al. 2018, 1801.01401).

The kernel is (xᵀy/d + 1)³. Subsets are drawn in torch-fidelity's order, so with equal seed and
subset size the value is its KID; it computes in float32 where this is float64, which shows at
about 1e-4 of small values.
"""

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from facebench.errors import BadInput
from facebench.metrics.arrays import Features, as_pair

_ROWS = 1024  # of the kernel at a time


def kernel_distance(
    real: Features,
    fake: Features,
    subsets: int = 100,
    subset_size: int = 1000,
    seed: int = 2020,
) -> float:
    """Return the mean unbiased MMD² over seeded subsets of features (n, d) and (m, d).

    It estimates a squared distance without bias, so near 0 it may be negative.

    Raises:
        BadInput: for a subset larger than a set, unequal widths, or values that are not finite.
    """
    return float(kernel_distances(real, fake, subsets, subset_size, seed).mean())


def kernel_distances(
    real: Features,
    fake: Features,
    subsets: int = 100,
    subset_size: int = 1000,
    seed: int = 2020,
) -> Float64[np.ndarray, " subsets"]:
    """Return one unbiased MMD² per subset; one in all where every subset would be the whole set."""
    if subsets < 1 or subset_size < 2:
        raise BadInput(
            f"{subsets} subsets of {subset_size} samples give no kernel distance: "
            "take at least 1 subset of at least 2."
        )
    x, y = as_pair(real, fake, minimum=subset_size)
    if subset_size == len(x) == len(y):
        subsets = 1
    rows_x, rows_y = _draw(len(x), len(y), subsets, subset_size, seed)
    # Subsets of small sets overlap: together, each kernel value is computed once. Of large sets
    # they hardly do, and all the values there are would be more than those that are drawn.
    together = subsets if max(len(x), len(y)) ** 2 <= subsets * subset_size**2 else 1
    groups = [slice(first, first + together) for first in range(0, subsets, together)]
    return np.concatenate([_mmd2(*_pick(x, rows_x[g]), *_pick(y, rows_y[g])) for g in groups])


def _draw(
    n: int, m: int, subsets: int, size: int, seed: int
) -> tuple[Int64[Tensor, "subsets size"], Int64[Tensor, "subsets size"]]:
    """Draw rows without replacement, the generated ones first: they are torch-fidelity's input1."""
    random = np.random.RandomState(seed)  # the generator of published values
    draws = [
        [random.choice(count, size, replace=False) for count in (m, n)] for _ in range(subsets)
    ]
    fake, real = torch.from_numpy(np.array(draws)).unbind(1)
    return real, fake


def _pick(
    features: Float64[Tensor, "n d"], rows: Int64[Tensor, "subsets size"]
) -> tuple[Float64[Tensor, "r d"], Float64[Tensor, "r subsets"]]:
    """Return the features that any subset has, and 1 where a subset (column) has a row, else 0."""
    drawn, position = torch.unique(rows, return_inverse=True)
    members = torch.zeros(len(drawn), len(rows), dtype=torch.float64)
    members.T.scatter_(1, position, 1)
    return features[drawn.to(features.device)], members.to(features.device)


def _mmd2(
    x: Float64[Tensor, "n d"],
    in_x: Float64[Tensor, "n subsets"],
    y: Float64[Tensor, "m d"],
    in_y: Float64[Tensor, "m subsets"],
) -> Float64[np.ndarray, " subsets"]:
    """E k(x, x') + E k(y, y') - 2 E k(x, y) per subset, x and x' never the same sample."""
    size = in_x.sum(0)
    within = _others_sum(x, in_x) + _others_sum(y, in_y)
    return (within / (size * (size - 1)) - 2 * _sum(x, in_x, y, in_y) / size**2).cpu().numpy()


def _others_sum(x: Float64[Tensor, "n d"], in_x: Float64[Tensor, "n s"]) -> Float64[Tensor, " s"]:
    to_itself = (x.square().mean(1) + 1) ** 3
    return _sum(x, in_x, x, in_x) - to_itself @ in_x


def _sum(
    x: Float64[Tensor, "n d"],
    in_x: Float64[Tensor, "n subsets"],
    y: Float64[Tensor, "m d"],
    in_y: Float64[Tensor, "m subsets"],
) -> Float64[Tensor, " subsets"]:
    """Sum k(x, y) = (xᵀy/d + 1)³ over each subset's pairs, some rows of the kernel at a time."""
    total = torch.zeros_like(in_y[0])
    for rows, members in zip(torch.split(x, _ROWS), torch.split(in_x, _ROWS), strict=True):
        kernel = (rows @ y.T).div_(x.shape[1]).add_(1).pow_(3)
        total += (members * (kernel @ in_y)).sum(0)
    return total
