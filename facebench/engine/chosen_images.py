"""Which images are shown of a model, by distances between features that are there already."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from facebench.engine.feature_projection import rounded
from facebench.metrics.face_sets import FaceSet
from facebench.metrics.faces.leakage import matches
from facebench.metrics.feature_sets import FeatureSet
from facebench.metrics.memorization import memorization, nearest_neighbours

SHOWN = 8
"""Images in a gallery."""
SUSPECTS = 6
"""Samples beside their nearest training images, and how many of these each has."""
NEIGHBOURS = 3
LOOKED_AT = 10_000
"""Images of each set among which those shown are chosen: no score depends on them."""


@dataclass(frozen=True)
class Plan:
    """A gallery before its images are there: which one of which set stands where."""

    columns: int
    cells: Sequence[tuple[str, int]]
    """Of "model", "real" or "training", and the image's place there."""
    labels: Sequence[str]
    distances: Sequence[float]


def choose(
    real: FeatureSet,
    fake: FeatureSet,
    training: FeatureSet | None,
    *,
    first_seed: int,
    first_image: int,
    noun: str = "seed",
) -> dict[str, Plan]:
    """Choose what is shown of a model, by the galleries' names.

    Args:
        real: the reference's features.
        fake: the model's.
        training: those of the training images, and their faces, as far as they were looked at.
        first_seed: the seed of the model's first image.
        first_image: the number of the reference's first image in its data set.
        noun: what the model's images are counted as.
    """
    drawn, reference = looked_at(fake), looked_at(real)
    to_real = nearest_neighbours(drawn, reference, 1)[0][:, 0]
    to_fake = nearest_neighbours(reference, drawn, 1)[0][:, 0]
    order = np.argsort(to_real, kind="stable")
    worst = np.argsort(-to_fake, kind="stable")[:SHOWN]
    plans = {
        "nearest": _row("model", order[:SHOWN], to_real, first_seed, noun),
        "farthest": _row("model", order[::-1][:SHOWN], to_real, first_seed, noun),
        "uncovered": _row("real", worst, to_fake, first_image, "image"),
    }
    if training is not None and len(training.features):
        plans["copies"] = _copies(looked_at(training), drawn, first_seed)
    remembered, shown = training.faces if training else None, fake.faces
    if remembered and shown and remembered.found.any() and shown.found.any():
        plans["leaks"] = _leaks(remembered, shown, first_seed)
    return plans


def looked_at(extracted: FeatureSet) -> Float[np.ndarray, "n d"]:
    """Return the features of the images among which those shown are chosen."""
    return np.asarray(extracted.features[:LOOKED_AT])


def _row(of: str, chosen: np.ndarray, distances: np.ndarray, first: int, noun: str) -> Plan:
    return Plan(
        columns=SHOWN,
        cells=[(of, int(i)) for i in chosen],
        labels=[f"{noun} {first + i}" for i in chosen],
        distances=[rounded(distances[i]) for i in chosen],
    )


def _copies(training: Float[np.ndarray, "n d"], fake: Float[np.ndarray, "m d"], first: int) -> Plan:
    """Choose the samples that are nearest to a training image for how far that is from others."""
    count = min(NEIGHBOURS, len(training))
    found = memorization(training, fake, count)
    suspects = np.argsort(found.ratios, kind="stable")[:SUSPECTS]
    rows = [
        [("model", int(i)), *(("training", int(j)) for j in found.indices[i])] for i in suspects
    ]
    return Plan(
        columns=1 + count,
        cells=[cell for row in rows for cell in row],
        labels=[f"seed {first + i}" for i in suspects],
        distances=[rounded(found.ratios[i]) for i in suspects],
    )


def _leaks(training: FaceSet, fake: FaceSet, first: int) -> Plan:
    """Choose the generated faces that are most like a face of the training images."""
    found = matches(training, fake)
    suspects = np.argsort(-np.nan_to_num(found.similarities, nan=-1.0), kind="stable")[:SUSPECTS]
    suspects = suspects[fake.found[suspects]]
    pairs = [(("model", int(i)), ("training", int(found.indices[i]))) for i in suspects]
    return Plan(
        columns=2,
        cells=[cell for pair in pairs for cell in pair],
        labels=[f"seed {first + i}" for i in suspects],
        distances=[rounded(found.similarities[i]) for i in suspects],
    )
