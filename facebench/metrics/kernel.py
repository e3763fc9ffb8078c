"""Kernel distances: unbiased MMD² between feature sets, with a cubic or a Gaussian kernel.

KID (Bińkowski et al. 2018, 1801.01401) takes (xᵀy/d + 1)³ on Inception's features, averaged over
subsets drawn in torch-fidelity's order, so with equal seed and subset size the value is its KID; it
computes in float32 where this is float64, which shows at about 1e-4 of small values.

CMMD (Jayasumana et al. 2024, 2401.09603) takes exp(-‖x - y‖²/200) on CLIP's features, each of
length 1, times 1000. The authors' code lets every image be compared with itself, which adds about
10/N; here, as in their text, it is not.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from facebench.errors import BadInput
from facebench.metrics.arrays import Features, Rows, as_pair
from facebench.metrics.mmd import MMD, mmd2, whole
from facebench.metrics.uncertainty import Estimate, from_squared_distance
from facebench.numerics.transfer import send

_CMMD_SCALE = 1000.0
_CMMD_WIDTH = 200  # twice the square of its standard deviation, 10


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
    return kernel_estimate(real, fake, subsets, subset_size, seed).value


def kernel_estimate(
    real: Features,
    fake: Features,
    subsets: int = 100,
    subset_size: int = 1000,
    seed: int = 2020,
) -> Estimate:
    """Return the kernel distance and its uncertainty, that of drawing subsets included.

    Arguments and errors are those of `kernel_distance`.
    """
    if subsets < 1 or subset_size < 2:
        raise BadInput(
            f"{subsets} subsets of {subset_size} samples give no kernel distance: "
            "take at least 1 subset of at least 2."
        )
    x, y = as_pair(real, fake, minimum=subset_size)
    if subset_size == len(x) == len(y):
        subsets = 1  # every subset would be the whole
    by_x, by_y = (torch.zeros(len(z), dtype=z.dtype, device=z.device) for z in (x, y))
    parts = []
    for rows_x, rows_y in _groups(len(x), len(y), subsets, subset_size, seed):
        (chosen_x, in_x), (chosen_y, in_y) = _members(rows_x, x), _members(rows_y, y)
        part = mmd2(x.subset(chosen_x), in_x, y.subset(chosen_y), in_y, _cubic)
        parts.append(part)
        by_x.index_add_(0, send(chosen_x, x.device), part.influence_x)
        by_y.index_add_(0, send(chosen_y, y.device), part.influence_y)
    values, pairs, own = (
        torch.cat([getattr(part, name) for part in parts]) for name in ("values", "pairs", "own")
    )
    draws = _Draws(subsets, len(x), subset_size), _Draws(subsets, len(y), subset_size)
    return _estimate(MMD(values, by_x, by_y, pairs, own), *draws)


def cmmd(real: Features, fake: Features) -> float:
    """Return the CMMD of features (n, d) and (m, d), whatever network they come from.

    Raises:
        BadInput: for fewer than 2 samples a side, unequal widths, or values that are not finite.
    """
    return cmmd_estimate(real, fake).value


def cmmd_estimate(real: Features, fake: Features) -> Estimate:
    """Return the CMMD and its uncertainty, of which holds what `kernel_estimate` says."""
    x, y = as_pair(real, fake, minimum=2)
    found = mmd2(x, whole(x), y, whole(y), _gaussian)
    return _estimate(found, _Draws(1, len(x), len(x)), _Draws(1, len(y), len(y)), _CMMD_SCALE)


class _Draws(NamedTuple):
    """Subsets of `size` images each, of a set of `of` images."""

    subsets: int
    of: int
    size: int

    def of_pairs(
        self,
        other: "_Draws",
        within: Float64[Tensor, ""],
        across: Float64[Tensor, ""],
    ) -> Float64[Tensor, ""]:
        """Return the part of the influence's mean square that pairs make.

        A pair counts in each subset that holds it, and its square as the square of their number.
        """
        again = (self.subsets - 1) * self.size / self.of
        twice = 1 + again * (self.size - 1) / (self.of - 1)
        twice_across = 1 + again * other.size / other.of
        square = twice * within / (self.size - 1) + twice_across * across / other.size
        return 4 * self.of / (self.subsets * self.size) * square


def _estimate(found: MMD, x: _Draws, y: _Draws, scale: float = 1.0) -> Estimate:
    """Return the mean of the subsets' distances, times `scale`, and its uncertainty."""
    value = float(found.values.mean())
    (within_x, within_y, across), (own_x, own_y) = found.pairs.mean(0), found.own.mean(0)
    return from_squared_distance(
        scale * value,
        [
            scale * x.of / x.subsets * found.influence_x,
            scale * y.of / y.subsets * found.influence_y,
        ],
        [scale**2 * x.of_pairs(y, within_x, across), scale**2 * y.of_pairs(x, within_y, across)],
        scale * (value + float(own_x / x.of + own_y / y.of)),
    )


def _cubic(x: Float64[Tensor, "n d"], y: Float64[Tensor, "m d"]) -> Float64[Tensor, "n m"]:
    return (x @ y.T).div_(x.shape[1]).add_(1).pow_(3)


def _gaussian(x: Float64[Tensor, "n d"], y: Float64[Tensor, "m d"]) -> Float64[Tensor, "n m"]:
    """Of the vectors brought to length 1, whose squared distance is 2 - 2xᵀy."""
    cosines = torch.nn.functional.normalize(x) @ torch.nn.functional.normalize(y).T
    return cosines.sub_(1).mul_(2 / _CMMD_WIDTH).exp_()


def _groups(
    n: int, m: int, subsets: int, size: int, seed: int
) -> Iterator[tuple[Int64[Tensor, "group size"], Int64[Tensor, "group size"]]]:
    """Yield the rows of subsets, of as many at a time as are best computed together.

    Subsets of small sets overlap: together, each kernel value is computed once. Of large sets they
    hardly do, and all the values there are would be more than those that are drawn.
    """
    rows_x, rows_y = _subset_rows(n, m, subsets, size, seed)
    together = subsets if max(n, m) ** 2 <= subsets * size**2 else 1
    return zip(torch.split(rows_x, together), torch.split(rows_y, together), strict=True)


def _subset_rows(
    n: int, m: int, subsets: int, size: int, seed: int
) -> tuple[Int64[Tensor, "subsets size"], Int64[Tensor, "subsets size"]]:
    """Choose rows without replacement, generated ones first: they are torch-fidelity's input1."""
    random = np.random.RandomState(seed)  # the generator of published values
    subset_rows = [
        [random.choice(count, size, replace=False) for count in (m, n)] for _ in range(subsets)
    ]
    fake, real = torch.from_numpy(np.array(subset_rows)).unbind(1)
    return real, fake


def _members(
    rows: Int64[Tensor, "subsets size"], features: Rows
) -> tuple[Int64[Tensor, " r"], Float64[Tensor, "r subsets"]]:
    """Return the rows that any subset has, and 1 where a subset (column) has a row, else 0."""
    chosen, position = torch.unique(rows, return_inverse=True)
    members = torch.zeros(len(chosen), len(rows), dtype=torch.float64, device=rows.device)
    members.T.scatter_(1, position, 1)
    return chosen, send(members, features.device)
