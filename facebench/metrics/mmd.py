"""Unbiased MMD² of two sets under any kernel, and what each sample adds to it.

    MMD² = Σᵢ≠ⱼ k(xᵢ, xⱼ) / n(n - 1) + Σᵢ≠ⱼ k(yᵢ, yⱼ) / m(m - 1) - 2 Σᵢⱼ k(xᵢ, yⱼ) / nm

(Gretton et al. 2012, lemma 6). With the witness of each sample, how much nearer it is to its own
set than to the other,

    aᵢ = Σⱼ≠ᵢ k(xᵢ, xⱼ) / (n - 1) - Σⱼ k(xᵢ, yⱼ) / m    and    bᵢ, in which x and y change places,

MMD² is mean(a) + mean(b), and its derivative by the weight of xᵢ is 2 (aᵢ - mean(a)) / n: a pair
belongs to two samples, hence the 2. The kernel is computed in small blocks, each value once for all
subsets.

What pairs alone add is the kernel without its means over either sample; how large that is, sums and
sums of squares tell (of n² values but the diagonal as Székely & Rizzo 2014 have it, without bias).
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
    pairs: Float64[Tensor, "subsets 3"]
    """The mean square of the kernel without its means, of pairs within x, within y, and across."""
    own: Float64[Tensor, "subsets 2"]
    """By how much the kernel of x (y) with itself exceeds that with another of its set, on average:
    with a part in n (m) of it more, MMD² is a square."""


def mmd2(
    x: Rows,
    in_x: Float64[Tensor, "n subsets"],
    y: Rows,
    in_y: Float64[Tensor, "m subsets"],
    kernel: Kernel,
) -> MMD:
    """Compare subsets of `x` and `y`: `in_x` is 1 where a subset (column) has a sample, else 0."""
    n, m = in_x.sum(0), in_y.sum(0)
    x_to_x, squares_x, own_x = _others(x, in_x, kernel)
    y_to_y, squares_y, own_y = _others(y, in_y, kernel)
    x_to_y, y_to_x, squares = _both_ways(x, in_x, y, in_y, kernel)
    a, b = x_to_x / (n - 1) - x_to_y / m, y_to_y / (m - 1) - y_to_x / n
    return MMD(
        values=(in_x * a).sum(0) / n + (in_y * b).sum(0) / m,
        influence_x=_influence(a, in_x),
        influence_y=_influence(b, in_y),
        pairs=torch.stack(
            [
                _within(in_x, x_to_x, squares_x),
                _within(in_y, y_to_y, squares_y),
                _across(in_x, x_to_y, in_y, y_to_x, squares),
            ],
            1,
        ),
        own=torch.stack([_excess(in_x, x_to_x, own_x), _excess(in_y, y_to_y, own_y)], 1),
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


def _excess(
    members: Float64[Tensor, "n subsets"],
    sums: Float64[Tensor, "n subsets"],
    own: Float64[Tensor, " subsets"],
) -> Float64[Tensor, " subsets"]:
    size = members.sum(0)
    return own / size - (members * sums).sum(0) / (size * (size - 1))


def _within(
    members: Float64[Tensor, "n subsets"],
    sums: Float64[Tensor, "n subsets"],
    squares: Float64[Tensor, " subsets"],
) -> Float64[Tensor, " subsets"]:
    """Return the mean square of each subset's pairs; 0 of fewer than 4 samples."""
    size = members.sum(0).clamp(min=4)
    means = (members * sums.square()).sum(0) * 2 / (size - 2)
    mean = (members * sums).sum(0).square() / ((size - 1) * (size - 2))
    found = (squares - means + mean) / (size * (size - 3))
    return torch.where(members.sum(0) < 4, 0, found.clamp(min=0))


def _across(
    in_x: Float64[Tensor, "n subsets"],
    x_to_y: Float64[Tensor, "n subsets"],
    in_y: Float64[Tensor, "m subsets"],
    y_to_x: Float64[Tensor, "m subsets"],
    squares: Float64[Tensor, " subsets"],
) -> Float64[Tensor, " subsets"]:
    """Return the mean square of the pairs between two subsets."""
    n, m = in_x.sum(0), in_y.sum(0)
    means = (in_x * x_to_y.square()).sum(0) / m + (in_y * y_to_x.square()).sum(0) / n
    mean = (in_x * x_to_y).sum(0).square() / (n * m)
    return ((squares - means + mean) / ((n - 1) * (m - 1))).clamp(min=0)


def _others(
    x: Rows, in_x: Float64[Tensor, "n subsets"], kernel: Kernel
) -> tuple[Float64[Tensor, "n subsets"], Float64[Tensor, " subsets"], Float64[Tensor, " subsets"]]:
    """Sum each sample's kernel over the other samples of each subset, all squares, and k(x, x)."""
    sums, squares, own = (torch.zeros_like(each) for each in (in_x, in_x[0], in_x[0]))
    for rows, a in x.chunks():
        for columns, b in x.chunks(rows.start):  # it is symmetric
            block = kernel(a, b)
            if rows == columns:
                own += block.diagonal() @ in_x[rows]
                block.diagonal().zero_()
            else:
                sums[columns] += block.T @ in_x[rows]
            sums[rows] += block @ in_x[columns]
            times = 1 if rows == columns else 2
            squares += times * _squares(block, in_x[rows], in_x[columns])
    return sums, squares, own


def _both_ways(
    x: Rows,
    in_x: Float64[Tensor, "n subsets"],
    y: Rows,
    in_y: Float64[Tensor, "m subsets"],
    kernel: Kernel,
) -> tuple[Float64[Tensor, "n subsets"], Float64[Tensor, "m subsets"], Float64[Tensor, " subsets"]]:
    """Sum each sample's kernel over each subset of the other set, both ways; and its squares."""
    x_to_y, y_to_x = torch.zeros_like(in_x), torch.zeros_like(in_y)
    squares = torch.zeros_like(in_x[0])
    for rows, a in x.chunks():
        for columns, b in y.chunks():
            block = kernel(a, b)
            x_to_y[rows] += block @ in_y[columns]
            y_to_x[columns] += block.T @ in_x[rows]
            squares += _squares(block, in_x[rows], in_y[columns])
    return x_to_y, y_to_x, squares


def _squares(
    block: Float64[Tensor, "a b"],
    of_rows: Float64[Tensor, "a subsets"],
    of_columns: Float64[Tensor, "b subsets"],
) -> Float64[Tensor, " subsets"]:
    """Sum the squares of each subset's values; they are squared in place, and of no further use."""
    return (of_rows * (block.square_() @ of_columns)).sum(0)
