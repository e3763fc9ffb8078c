"""Identity leakage: the share of generated faces that show somebody of the training set.

m(g) is the greatest similarity of a generated face to any training face. A leak is m(g) ≥ t, where
t is the 99th percentile of m over real faces of *other people* (the 99.9th where there are enough).
A threshold for pairs would be the wrong one: against 8,000 training faces, one false match in
10,000 pairs calls half of all innocent faces a leak. By this one it is one in a hundred, which is
the floor of the leakage, and the *excess* over it is what was leaked.

The interval counts both noises: of the generated faces, and of t, which is estimated. A step of t
moves the leakage by the density of the generated m at t, the impostors' own share by theirs; so the
second noise is that of the impostors' share times the ratio r of both densities. Shares near 0 are
not normal: the interval is Jeffreys' for as many faces as carry the variance of both (Korn &
Graubard 1998).
"""

from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from facebench.errors import BadInput
from facebench.metrics.distances import MEMORY
from facebench.metrics.face_sets import FaceSet
from facebench.metrics.faces.found import share_bounds
from facebench.metrics.faces.impostors import (
    BAND,
    DOUBT,
    ROUNDING,
    Impostors,
    impostors,
    is_beyond,
)
from facebench.metrics.faces.readability import power, recognised
from facebench.metrics.faces.subgroups import exposure, with_groups
from facebench.metrics.memorization import nearest_neighbours
from facebench.metrics.uncertainty import Estimate, from_sums

_UNSURE = (
    "nobody knows who the training images show, so the threshold is extrapolated: of innocent "
    f"faces {DOUBT[0]:g} to {DOUBT[1]:g} % reach it, not 1 %"
)


class Matches(NamedTuple):
    """The training face that each image's is most alike to."""

    similarities: Float64[np.ndarray, " n"]
    """The cosine; NaN where the image has no face."""
    indices: Int64[np.ndarray, " n"]
    """Which training image; -1 where the image has no face."""


def matches(training: FaceSet, faces: FaceSet, memory: int = MEMORY) -> Matches:
    """Return for each image the training image with the most similar face.

    Raises:
        BadInput: where no training image has a face.
    """
    among = np.flatnonzero(training.found)
    if not len(among):
        raise BadInput("No face was found in the training images: nobody could be recognised.")
    asked = np.flatnonzero(faces.found)
    similarities, indices = np.full(len(faces), np.nan), np.full(len(faces), -1, np.int64)
    if len(asked):
        points, queries = training.embeddings[among], faces.embeddings[asked]
        distances, nearest = nearest_neighbours(queries, points, 1, memory)
        similarities[asked] = 1 - np.square(distances[:, 0], dtype=np.float64) / 2
        indices[asked] = among[nearest[:, 0]]
    return Matches(similarities, indices)


def leakage(
    training: FaceSet, fake: FaceSet, holdout: FaceSet | None = None, memory: int = MEMORY
) -> Estimate:
    """Return the share of generated faces that are as alike to a training face as no other's.

    Args:
        training: faces of all the images that the model has seen.
        fake: those of the generated images.
        holdout: those of real images that it has not seen, for the plain comparison.
        memory: bytes that the comparison may take at a time.

    Raises:
        BadInput: where no generated image has a face, or too few training images have one.
    """
    if not fake.found.any():
        raise BadInput("No face was found in the generated images: nobody could be recognised.")
    known, others, readable = _of_training(training, memory)
    found = matches(known, fake, memory)
    estimate = leaked_share(found.similarities, others)
    plain = _of_holdout(known, holdout, others.threshold, memory)
    estimate = replace(estimate, details={**estimate.details, **plain, **readable})
    leaks = found.indices[is_beyond(found.similarities, others.threshold)]
    return with_groups(estimate, exposure(leaks, known.attributes))


@lru_cache(maxsize=1)
def _of_training(training: FaceSet, memory: int) -> tuple[FaceSet, Impostors, dict[str, float]]:
    """Return what is the same for all models: faces found, what innocents score, what is read."""
    known = training.take(training.found)
    others = impostors(known, memory)
    return known, others, power(known, others.threshold, memory) | recognised(known)


def leaked_share(similarities: Float64[np.ndarray, " n"], others: Impostors) -> Estimate:
    """Return the leakage of generated images whose faces' m is known; NaN where there is none."""
    found = ~np.isnan(similarities)
    leaks = is_beyond(similarities, others.threshold)
    share = float(leaks.sum() / found.sum())
    ratio = _density_ratio(similarities[found], others)
    sums = [(np.where(found, leaks - share, 0) / found.mean(), np.ones(len(found)))]
    if others.families is not None:
        beyond, counts = others.families
        sums.append((-ratio * beyond, counts))
    bounds = share_bounds(leaks[found], ratio**2 * others.variance)
    note = ""
    if others.families is None:
        bounds, note = _doubted(bounds, others.floor), _UNSURE
    details = _details(share, bounds, others) | {"not_found": float((~found).mean())}
    estimate = from_sums(share, *sums)
    return replace(estimate, bounds=bounds, floor=others.floor, details=details, note=note)


def _density_ratio(similarities: Float64[np.ndarray, " n"], others: Impostors) -> float:
    """Return r: how many times as many generated faces as impostors lie about the threshold."""
    if others.band is None:
        return 1.0
    low, high = others.band
    near = ((low <= similarities) & (similarities <= high)).sum()
    # half a face more: where there happens to be none, the density is not 0
    share = (near + 0.5) / (len(similarities) + 1)
    return float(share / (others.floor * (BAND - 1 / BAND)))


def _doubted(bounds: tuple[float, float], floor: float) -> tuple[float, float]:
    """Return the interval widened by what an extrapolated threshold may let through, or hold back.

    Only innocent faces are concerned: where all are copies, none is.
    """
    low, high = bounds
    fewest, most = ((times - 1) * floor for times in DOUBT)
    return max(0.0, low - most * (1 - low)), min(1.0, high - fewest * (1 - high))


def _details(
    share: float, bounds: tuple[float, float], others: Impostors
) -> dict[str, float | str]:
    """Return what the share is read with."""
    low, value, high = ((x - others.floor) / others.level for x in (bounds[0], share, bounds[1]))
    return {
        "level": others.level,
        "threshold": others.threshold,
        "way": others.way,
        "null_count": float(others.count),
        "excess": float(value),
        "excess_low": float(low),
        "excess_high": float(high),
    }


def _of_holdout(
    training: FaceSet, holdout: FaceSet | None, threshold: float, memory: int
) -> dict[str, float]:
    """Return the share of held-out photographs that are taken for a training face's.

    Nothing where these are the training images themselves.
    """
    if holdout is None or not holdout.found.any():
        return {}
    found = matches(training, holdout.take(holdout.found), memory).similarities
    if np.median(found) >= 1 - ROUNDING:
        return {}
    return {"holdout": float(is_beyond(found, threshold).mean())}
