"""The built-in metrics of faces: what the face pass found, a function and a row each.

As in :mod:`facebench.metrics.builtin_metrics`, a function imports what computes it when it is
called. What is computed is in :mod:`facebench.metrics.faces`.
"""

import math
from typing import TYPE_CHECKING

from facebench.errors import BadInput
from facebench.metrics.metric import Metric

if TYPE_CHECKING:
    from facebench.metrics.face_sets import FaceSet
    from facebench.metrics.feature_sets import Comparison
    from facebench.metrics.uncertainty import Estimate


def _pair(c: "Comparison") -> "tuple[FaceSet, FaceSet]":
    """Return the faces of the real and of the generated images."""
    if c.real.faces is None or c.fake.faces is None:
        raise BadInput("Metrics of faces need the face pass over both sets: add --faces.")
    return c.real.faces, c.fake.faces


def _face_rate(c: "Comparison") -> "Estimate":
    from facebench.metrics.faces.found import face_rate

    return face_rate(*_pair(c))


def _confidence(c: "Comparison") -> "Estimate":
    from facebench.metrics.faces.found import confidence

    return confidence(*_pair(c))


def _identity_leakage(c: "Comparison") -> "Estimate":
    from facebench.metrics.faces.leakage import leakage

    real, fake = _pair(c)
    if c.training is None or c.training.faces is None:
        raise BadInput("Identity leakage needs the training images: name a prepared data set.")
    return leakage(c.training.faces, fake, real)


ROWS: tuple[Metric, ...] = (
    Metric(
        "face_rate",
        "Face rate",
        _face_rate,
        "reference",
        "share of images with exactly one face, by the detector that the protocol names",
        "Share of the generated images in which exactly one face is found; it should match the "
        "real images' own.",
        "Detectors differ, and each misses faces of its own: a high rate says that it sees a face, "
        "not that a person would.",
        unit="share of the images",
        valid=(0.0, 1.0),
        needs="faces",
    ),
    Metric(
        "face_confidence",
        "Face confidence",
        _confidence,
        "reference",
        "confidence of the detector that the protocol names",
        "How sure the detector is, on average, of the faces it finds; it should match its "
        "confidence in real ones.",
        "Its scale is the detector's own.",
        unit="the detector's own",
        valid=(-math.inf, math.inf),
        needs="faces",
    ),
    Metric(
        "identity_leakage",
        "Identity leakage",
        _identity_leakage,
        "lower",
        "threshold by the impostors' greatest similarity; see docs/faces.md",
        "Share of the generated faces that are as alike to some training face as only one real "
        "face in a hundred is to any of other people; 1 % is innocent.",
        "It sees what the face network sees: at sizes where that recognises few people, it finds "
        "copies rather than people.",
        unit="share of the generated faces",
        valid=(0.0, 1.0),
        needs="faces",
    ),
)
