"""Whether a generator copies its training images: authenticity, and the nearest of them.

Authenticity is that of Alaa et al. 2022 (2102.08921): a sample is authentic if it is farther from
its nearest training image than that image is from its own nearest neighbour in the training set.
Like every such detector it errs (Stein et al. 2023, 2306.04675): look at the nearest images, too.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64

from facebench.metrics.arrays import Features
from facebench.metrics.distances import MEMORY, Neighbours, Points, as_points
from facebench.metrics.uncertainty import Estimate, from_influence

_LEAST = 1e-20
"""A distance by which any other can be divided."""


@dataclass(frozen=True, eq=False)
class Memorization:
    """What the nearest training images say of each sample."""

    authentic: Bool[np.ndarray, " n"]
    distances: Float32[np.ndarray, "n k"]
    """To the nearest training images, ascending."""
    indices: Int64[np.ndarray, "n k"]
    """Of the nearest training images."""
    ratios: Float32[np.ndarray, " n"]
    """The distance to the nearest training image, over that one's own to its nearest other."""

    @property
    def authenticity(self) -> Estimate:
        """The share of authentic samples; its uncertainty is that of drawing them."""
        return from_influence(float(self.authentic.mean()), self.authentic)


def authenticity(training: Features, fake: Features, memory: int = MEMORY) -> float:
    """Return the share of `fake` that is farther from the training images than they are apart.

    Arguments and errors are those of `memorization`.
    """
    return authenticity_estimate(training, fake, memory).value


def authenticity_estimate(training: Features, fake: Features, memory: int = MEMORY) -> Estimate:
    """Return the authenticity with its uncertainty, given these training images.

    Arguments and errors are those of `memorization`.
    """
    return memorization(training, fake, 1, memory).authenticity


def memorization(
    training: Features, fake: Features, k: int = 5, memory: int = MEMORY
) -> Memorization:
    """Return authenticity and the `k` nearest training images of every sample, from one pass.

    Args:
        training: features of shape (n, d), n > 1, of all the images that the model has seen.
        fake: features of shape (m, d).
        k: how many training images to find.
        memory: bytes that the distances may take at a time, beside the features themselves in
            float32; the result does not depend on it.

    Raises:
        BadInput: for too few training images, unequal widths, or values that are not finite.
    """
    points, queries = as_points(training, fake, memory)
    found = queries.nearest(points, k)
    nearest, of_sample = torch.unique(found.indices[:, 0], return_inverse=True)
    apart = points[nearest].nearest(points, 1, but=nearest).squares[:, 0]
    authentic = found.squares[:, 0] > apart[of_sample]
    ratios = found.squares[:, 0].sqrt() / apart[of_sample].sqrt().clamp(min=_LEAST)
    return Memorization(authentic.cpu().numpy(), *_arrays(found, points), ratios.cpu().numpy())


def nearest_neighbours(
    queries: Features, points: Features, k: int = 5, memory: int = MEMORY
) -> tuple[Float32[np.ndarray, "n k"], Int64[np.ndarray, "n k"]]:
    """Return each query's Euclidean distances to the `k` nearest points, ascending, and which.

    Args:
        queries: features of shape (n, d).
        points: features of shape (m, d), m ≥ k.
        k: how many points to find. Between points that are equally near, but for the rounding
            of float32, the choice is free.
        memory: bytes that the distances may take at a time.

    Raises:
        BadInput: for fewer than k points, unequal widths, or values that are not finite.
    """
    found_in, asked = as_points(points, queries, memory)
    return _arrays(asked.nearest(found_in, k), found_in)


def _arrays(
    found: Neighbours, points: Points
) -> tuple[Float32[np.ndarray, "n k"], Int64[np.ndarray, "n k"]]:
    distances = found.squares.sqrt() * points.scale
    return distances.cpu().numpy(), found.indices.cpu().numpy()
