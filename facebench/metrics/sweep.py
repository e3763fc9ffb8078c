"""Who lies in whose balls: one blockwise pass over the distances between two sets of points.

Equal distances must compare as equal, e.g. where a generator copies the training set, although
they are rounded differently in every block. So spheres have a thickness, that of the rounding
(see facebench.metrics.distances), which belongs to closed balls and not to open ones. Even among
5,000 points in 2048 independent dimensions, where distances hardly differ, that moves density by
.1 % and recall by one image; in faces' features, with tens of such dimensions, far less.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, Int64
from torch import Tensor

from facebench.metrics.distances import Neighbours, Points


class Sweep(NamedTuple):
    """Who lies in whose balls."""

    fake_inside: Bool[Tensor, " m"]
    """Whether in any real ball."""
    real_inside: Bool[Tensor, " n"]
    """Whether in any generated ball."""
    crowds: Float64[Tensor, " n"]
    """How many generated points are in each open real ball."""
    hosts: Float64[Tensor, " m"]
    """How many open real balls each generated point is in."""
    neighbours: Int64[Tensor, "n k"]
    """The real points up to which each open real ball reaches."""
    repeats: Int64[np.ndarray, " m"] | None
    """Which image each generated point is, by number, if any is there more than once."""
    clipped: "ClippedSweep"

    @property
    def repeated(self) -> float:
        """The share of generated points that are there already."""
        return (
            0.0 if self.repeats is None else 1 - (int(self.repeats.max()) + 1) / len(self.repeats)
        )


class ClippedSweep(NamedTuple):
    """What Clipped Density and Coverage are made of, see facebench.metrics.clipped."""

    crowds: Float64[Tensor, " n"]
    """How many generated points are in each clipped real ball."""
    hosts: Float64[Tensor, " m"]
    """How many clipped real balls each generated point is in."""
    own_hosts: Float64[Tensor, " n"]
    """How many other points' clipped real balls each real point is in."""
    are_cut: Bool[Tensor, " n"]
    """Which clipped balls end before the k-th neighbour."""
    needing: Float64[Tensor, " m"]
    """How many open real balls each generated point is in that hold fewer than k, half of those
    counted that hold k: how much fewer there would be in them without it, at most k counted."""


def sweep(x: Points, y: Points, k: int, k_density: int, strict: bool) -> Sweep:
    """Compare each distance between a real x and a generated y with the balls around both.

    Args:
        x: the real points.
        y: the generated points.
        k: the neighbour to which the balls of both reach, of precision and recall.
        k_density: that to which the open and the clipped balls of the real points reach.
        strict: whether precision's and recall's balls lack their surface.
    """
    near_x, near_y = x.nearest_others(max(k, k_density)), y.nearest_others(k)
    near = Neighbours(near_x.squares[:, :k_density], near_x.indices[:, :k_density])
    ball_x, ball_y = _balls(x, near_x.squares, k, strict), _balls(y, near_y.squares, k, strict)
    open_x = _balls(x, near.squares, k_density, strict=True)
    cut = _cut(near.squares)
    cut_x = cut + x.rounding(cut)
    fake_inside = torch.zeros_like(y.norms, dtype=torch.bool)
    hosts, cut_hosts, needing = (torch.zeros_like(y.norms, dtype=torch.float64) for _ in range(3))
    real_inside, crowds, cut_crowds = [], [], []
    for rows, block in x.distances_to(y):
        fake_inside |= (block <= ball_x[rows, None]).any(0)
        real_inside.append((block <= ball_y).any(1))
        inside = block <= cut_x[rows, None]
        cut_crowds.append(inside.sum(1).double())
        cut_hosts += inside.sum(0)
        inside = block.le_(open_x[rows, None])  # 1 or 0 in place; float32 counts up to 2²⁴ exactly
        crowds.append(inside.sum(1).double())
        hosts += inside.sum(0)
        needing += below(crowds[-1], k_density).float() @ inside
    own = _own_hosts(near, cut)
    are_cut = cut < near.squares[:, -1]
    clipped = ClippedSweep(torch.cat(cut_crowds), cut_hosts, own, are_cut, needing)
    swept = torch.cat(real_inside), torch.cat(crowds), hosts, near.indices
    return Sweep(fake_inside, *swept, _repeats(y, near_y.squares[:, 0]), clipped)


def borne_by(
    neighbours: Int64[Tensor, "n k"],
    crowds: Float64[Tensor, " n"],
    lost: Float64[Tensor, " n"],
    repeated: float,
) -> Float64[Tensor, " n"]:
    """Return the influence of each real point on the mean of what their balls hold, `crowds`.

        mean crowd of the k neighbours of i,  less  Σ lostⱼ/k over the j that i is a neighbour of

    A point adds a ball, and each ball that has it among its k neighbours loses by it a k-th of
    `lost`, for without it the ball would reach as much farther. The crowd that a point may expect
    is the average of its neighbours': its own would count the chance in its radius and in the
    generated points again, which its neighbours' and their influence hold already. But of images
    that a generator repeats, a share `repeated`, that chance is nowhere else.
    """
    k = neighbours.shape[1]
    taken = torch.zeros_like(crowds).index_add_(
        0, neighbours.flatten(), (lost / k).repeat_interleave(k)
    )
    expected = crowds[neighbours].mean(1)
    if repeated:
        expected = torch.lerp(expected, crowds, repeated)
    return expected - taken


def _repeats(points: Points, nearest: Float32[Tensor, " m"]) -> Int64[np.ndarray, " m"] | None:
    """Return which image each point is, by number, or None where no two are the same."""
    is_twin = (nearest == 0).cpu().numpy()
    if not is_twin.any():
        return None
    numbers = np.cumsum(~is_twin) - 1
    twins = points[torch.from_numpy(is_twin.nonzero()[0]).to(nearest.device)].values.cpu().numpy()
    numbers[is_twin] = numbers[-1] + 1 + np.unique(twins, axis=0, return_inverse=True)[1]
    return numbers


def _balls(
    points: Points, squares: Float32[Tensor, "n nearest"], k: int, strict: bool
) -> Float32[Tensor, " n"]:
    """Return the squared radii up to which a point is in the ball to the k-th neighbour."""
    radii = squares[:, k - 1]
    thickness = points.rounding(radii)
    return radii - thickness if strict else radii + thickness


def _cut(squares: Float32[Tensor, "n k"]) -> Float32[Tensor, " n"]:
    """Return the square of the distance to the last neighbour, at most the median of these."""
    radii = squares[:, -1].sqrt()
    middle = radii.sort().values[(len(radii) - 1) // 2 : len(radii) // 2 + 1].mean()
    return torch.where(radii <= middle, squares[:, -1], middle.square())


def _own_hosts(near: Neighbours, cut: Float32[Tensor, " n"]) -> Float64[Tensor, " n"]:
    """Return how many of the others' balls each point is in.

    A ball holds its k neighbours at most: of more that are equally far those that were found. An
    image that is there more than k times is in the balls of its twins, whichever were found.
    """
    inside = (near.squares <= cut[:, None]).double().flatten()
    own = torch.zeros_like(cut, dtype=torch.float64).index_add_(0, near.indices.flatten(), inside)
    k = near.squares.shape[1]
    return own.clamp(min=k).where(near.squares[:, -1] == 0, own)


def below(counts: Float64[Tensor, " n"], k: int) -> Float64[Tensor, " n"]:
    """Return 1 where a count is below k, 1/2 where it is k: how min(count, k) grows with it."""
    return ((counts < k).double() + (counts <= k).double()) / 2
