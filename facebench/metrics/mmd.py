"""Unbiased MMD² of two sets under any kernel, and what each sample adds to it.

    MMD² = Σᵢ≠ⱼ k(xᵢ, xⱼ) / n(n - 1) + Σᵢ≠ⱼ k(yᵢ, yⱼ) / m(m - 1) - 2 Σᵢⱼ k(xᵢ, yⱼ) / nm

(Gretton et al. 2012, lemma 6). With the witness of each sample, how much nearer it is to its own
set than to the other,

    aᵢ = Σⱼ≠ᵢ k(xᵢ, xⱼ) / (n - 1) - Σⱼ k(xᵢ, yⱼ) / m    and    bᵢ, in which x and y change places,

MMD² is mean(a) + mean(b), and its derivative by the weight of xᵢ is 2 (aᵢ - mean(a)) / n: a pair
belongs to two samples, hence the 2. The kernel is computed in small blocks, each value once for all
subsets.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float64
from torch import Tensor

from facebench.metrics.arrays import Rows

Kernel = Callable[[Float64[Tensor, "n d"], Float64[Tensor, "m d"]], Float64[Tensor, "n m"]]


class MMD(NamedTuple):
    """MMD² of each of some subsets of two sets, and the samples' influence on their sum."""

    values: Float64[Tensor, " subsets"]
    influence_x: Float64[Tensor, " n"]
    """The derivative of the sum by each sample's weight."""
    influence_y: Float64[Tensor, " m"]


def mmd2(
    x: Rows,
    in_x: Float64[Tensor, "n subsets"],
    y: Rows,
    in_y: Float64[Tensor, "m subsets"],
    kernel: Kernel,
) -> MMD:
    """Compare subsets of `x` and `y`: `in_x` is 1 where a subset (column) has a sample, else 0."""
    n, m = in_x.sum(0), in_y.sum(0)
    x_to_x, y_to_y = _others(x, in_x, kernel), _others(y, in_y, kernel)
    x_to_y, y_to_x = _both_ways(x, in_x, y, in_y, kernel)
    a, b = x_to_x / (n - 1) - x_to_y / m, y_to_y / (m - 1) - y_to_x / n
    return MMD(
        values=(in_x * a).sum(0) / n + (in_y * b).sum(0) / m,
        influence_x=_influence(a, in_x),
        influence_y=_influence(b, in_y),
    )


def whole(points: Rows) -> Float64[Tensor, "n 1"]:
    """Return the membership of the one subset that is the whole set."""
    return torch.ones(len(points), 1, dtype=points.dtype, device=points.device)


def _influence(
    witness: Float64[Tensor, "n subsets"], members: Float64[Tensor, "n subsets"]
) -> Float64[Tensor, " n"]:
    """Return 2 (aᵢ - mean(a)) / n, summed over the subsets that have sample i."""
    size = members.sum(0)
    centred = members * (witness - (members * witness).sum(0) / size)
    return 2 * (centred / size).sum(1)


def _others(
    x: Rows, in_x: Float64[Tensor, "n subsets"], kernel: Kernel
) -> Float64[Tensor, "n subsets"]:
    """Sum each sample's kernel over the other samples of each subset."""
    sums = torch.zeros_like(in_x)
    for rows, a in x.chunks():
        for columns, b in x.chunks(rows.start):  # it is symmetric
            block = kernel(a, b)
            if rows == columns:
                block.diagonal().zero_()
            else:
                sums[columns] += block.T @ in_x[rows]
            sums[rows] += block @ in_x[columns]
    return sums


def _both_ways(
    x: Rows,
    in_x: Float64[Tensor, "n subsets"],
    y: Rows,
    in_y: Float64[Tensor, "m subsets"],
    kernel: Kernel,
) -> tuple[Float64[Tensor, "n subsets"], Float64[Tensor, "m subsets"]]:
    """Sum each sample's kernel over each subset of the other set, for both sets at once."""
    x_to_y, y_to_x = torch.zeros_like(in_x), torch.zeros_like(in_y)
    for rows, a in x.chunks():
        for columns, b in y.chunks():
            block = kernel(a, b)
            x_to_y[rows] += block @ in_y[columns]
            y_to_x[columns] += block.T @ in_x[rows]
    return x_to_y, y_to_x
