"""Identity diversity: how many different people are among N generated faces.

Faces are gathered into people by average linkage: two groups are one person where the mean cosine
between their faces reaches a threshold. (Single linkage chains: a row of faces, each like the next,
becomes one person.) The threshold is that which one in a thousand pairs of different real people
reach. Where nobody knows who the real images show, all their pairs stand for such pairs: of faces
of some thousand people, hardly one pair in 5,000 shows one person.

The number depends on N and on what the network can tell apart, so it is read beside that of as many
real faces. Its error is that of the number of kinds in a sample, its groups of faces given: with
f₁ people seen once and f₂ twice, f₀ = f₁ (f₁ - 1) / (2 (f₂ + 1)) are unseen (Chao 1984), and the
variance is f₀ D / (D + f₀) - f₁² / N. Leaving out a group of images at a time would tell one about
twice as large, for it takes the chance of being alone for that person's own.
"""

import math
from dataclasses import replace

import numpy as np
from jaxtyping import Float64, Int

from facebench.errors import BadInput
from facebench.metrics.face_sets import FaceSet
from facebench.metrics.faces.readability import RATE, pair_threshold
from facebench.metrics.uncertainty import Estimate, PseudoValues, from_influence

MOST = 4000
"""Faces a set, at most: all their pairs are compared, 64 MB of them."""

Groups = Int[np.ndarray, " n"]


def identity_diversity(real: FaceSet, fake: FaceSet) -> Estimate:
    """Return how many people are among the generated faces, beside that of as many real ones.

    Of each set the first N faces are taken, N being as many as both have, and MOST at most.

    Raises:
        BadInput: where a set has no two faces, or the real ones too few for a threshold.
    """
    known, drawn = (each.take(each.found) for each in (real, fake))
    count = min(len(known), len(drawn), MOST)
    if count < 2:
        raise BadInput(
            f"Identity diversity needs 2 faces on either side; {len(known)} were found in the real "
            f"images and {len(drawn)} in the generated ones."
        )
    threshold = pair_threshold(known)
    if threshold is None:
        raise BadInput(
            f"Identity diversity needs {round(1 / RATE)} pairs of real faces of different people, "
            f"to know how alike these can be: {len(known)} faces were found in the real images."
        )
    of_real, of_fake = (people(each.embeddings[:count], threshold) for each in (known, drawn))
    estimate = number_of_people(of_fake).beside(float(of_real.max()))
    details: dict[str, float | str] = {"faces": float(count), "threshold": threshold}
    if known.people is not None:
        details["people"] = float(len(np.unique(known.people[:count])))
    return replace(estimate, details=details)


def people(embeddings: np.ndarray, threshold: float) -> Groups:
    """Return whom each face shows, as a number from 1 on, by average linkage.

    Args:
        embeddings: of shape (n, d), n > 1, and unit length.
        threshold: the mean cosine between two groups of faces from which on they are one person.
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    faces = np.asarray(embeddings, np.float64)
    rows = (1 - faces[i] @ faces[i + 1 :].T for i in range(len(faces) - 1))
    distances = np.maximum(np.concatenate([*rows]), 0)
    found: Groups = fcluster(linkage(distances, "average"), 1 - threshold, "distance")
    return found


def number_of_people(shown: Groups) -> Estimate:
    """Return how many people `shown` holds.

    Its pseudo-values scatter as those of leaving out groups of images, and as much as the error.
    """
    sizes = np.bincount(shown)
    number = float((sizes > 0).sum())
    estimate = from_influence(number, sizes[shown] == 1)
    if estimate.groups is None:
        return estimate
    return replace(estimate, groups=_scaled(estimate, _error(sizes, number)))


def _error(sizes: Groups, number: float) -> float:
    """Return the standard error of the number of people, given how many faces each has."""
    once, twice = float((sizes == 1).sum()), float((sizes == 2).sum())
    unseen = once * (once - 1) / (2 * (twice + 1))
    variance = unseen * number / (number + unseen) - once**2 / sizes.sum()
    return math.sqrt(max(variance, 0.0))


def _scaled(estimate: Estimate, error: float) -> PseudoValues:
    """Return the pseudo-values, about the same value and with the standard `error`."""
    assert estimate.groups is not None and estimate.error is not None
    apart: Float64[np.ndarray, " groups"] = estimate.groups - estimate.value
    return estimate.value + (apart * (error / estimate.error) if estimate.error > 0 else apart)
