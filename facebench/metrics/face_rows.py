"""The built-in metrics of faces: what the face pass found, a function and a row each.

As in :mod:`facebench.metrics.builtin_metrics`, a function imports what computes it when it is
called. What is computed is in :mod:`facebench.metrics.faces`.
"""

import math
from functools import partial
from typing import TYPE_CHECKING

from facebench.errors import BadInput
from facebench.metrics.metric import Metric

if TYPE_CHECKING:
    from facebench.metrics.face_sets import FaceSet
    from facebench.metrics.feature_sets import Comparison
    from facebench.metrics.metric import Family
    from facebench.metrics.uncertainty import Estimate


def _pair(c: "Comparison") -> "tuple[FaceSet, FaceSet]":
    """Return the faces of the real and of the generated images."""
    if c.real.faces is None or c.fake.faces is None:
        raise BadInput("Metrics of faces need the face pass over both sets: add --faces.")
    return c.real.faces, c.fake.faces


def _face_rate(c: "Comparison") -> "Estimate":
    from facebench.metrics.faces.found import face_rate
    from facebench.metrics.faces.probes import supposed
    from facebench.metrics.faces.subgroups import face_rate_of_groups

    real, fake = _pair(c)
    estimate = face_rate(real, fake)
    if not real.attributes or len(c.real.features) != len(real):
        return estimate
    known = fake.attributes or supposed(c.real.probes, c.fake.features)
    return face_rate_of_groups(estimate, real, fake, known)


def _confidence(c: "Comparison") -> "Estimate":
    from facebench.metrics.faces.found import confidence

    return confidence(*_pair(c))


def _identity_leakage(c: "Comparison") -> "Estimate":
    from facebench.metrics.faces.leakage import leakage

    real, fake = _pair(c)
    if c.training is None or c.training.faces is None:
        raise BadInput("Identity leakage needs the training images: name a prepared data set.")
    return leakage(c.training.faces, fake, real if c.is_apart else None)


def _pose(c: "Comparison", factor: str) -> "Estimate":
    from facebench.metrics.faces.pose import pose_distance

    return pose_distance(*_pair(c), factor)


def _shares(c: "Comparison") -> "Family":
    from facebench.metrics.faces.shares import shares

    real, _ = _pair(c)
    if not real.attributes:
        raise BadInput("The reference's images have no attributes: prepare it with --attributes.")
    return shares(c.real.probes, c.fake.features)


def _share(_: "Comparison") -> "Estimate":
    raise BadInput("A share is of one attribute, and all are computed together.")


_SIDES = "shares of the image's side"
_POSE_NOTE = (
    "Of the distance at this number of faces: two sets of real faces are not at 0 either, but at "
    "the noise floor. Close to it the interval is too wide, at twice the floor it holds in 90 %; "
    "whether there is a difference at all is said by the test, not by the interval."
)


def _pose_row(factor: str, title: str, card: str, unit: str) -> Metric:
    return Metric(
        f"pose_{factor}",
        title,
        partial(_pose, factor=factor),
        "lower",
        "Wasserstein-1 distance; called by a rank test of Lepage's kind (1971), by permutation",
        f"How far the generated faces' distribution is from the real ones' in {card}; a model "
        "whose faces all look alike in this has less spread than the real ones, beside the value.",
        "Read from the detector's eyes and nose, which err by a point or two themselves at small "
        "sizes; of faces that were not found it says nothing.",
        unit=unit,
        needs="faces",
        interval_note=_POSE_NOTE,
        is_of_many=True,
    )


def _identity_diversity(c: "Comparison") -> "Estimate":
    from facebench.metrics.faces.distinct import identity_diversity

    return identity_diversity(*_pair(c))


def _fd_identity(c: "Comparison") -> "Estimate":
    from facebench.metrics.faces.embedded import frechet_identity

    return frechet_identity(*_pair(c))


def _precision_identity(c: "Comparison") -> "Estimate":
    from facebench.metrics.faces.embedded import identity_manifold

    return identity_manifold(*_pair(c), c.mode.k, c.mode.strict).precision


def _identity_kept(c: "Comparison") -> "Estimate":
    from facebench.metrics.pair_scores import identity_kept

    return identity_kept(*_pair(c))


def _recall_identity(c: "Comparison") -> "Estimate":
    from facebench.metrics.faces.embedded import identity_manifold

    return identity_manifold(*_pair(c), c.mode.k, c.mode.strict).recall


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
        looks_at=("fidelity",),
        interval="own",
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
        looks_at=("fidelity",),
    ),
    Metric(
        "identity_kept",
        "Identity kept",
        _identity_kept,
        "higher",
        "verification at a false-match rate of 1e-3, as Grother & Ngan 2014 (FRVT), NIST IR 8009",
        "Share of the answers whose face is as alike to the face on the target as only one in a "
        "thousand is to that on another target; an answer without a face has kept nobody.",
        "It sees what the face network sees: at sizes where that recognises few people, small "
        "changes pass for another person. Only of sources whose target shows a face.",
        unit="share of the answers",
        valid=(0.0, 1.0),
        needs="paired faces",
        looks_at=(),
        interval="own",
    ),
    Metric(
        "identity_leakage",
        "Identity leakage",
        _identity_leakage,
        "lower",
        "threshold by the impostors' greatest similarity; see docs/uncertainty.md",
        "Share of the generated faces that are as alike to some training face as only one real "
        "face in a hundred is to any of other people; 1 % is innocent.",
        "It sees what the face network sees: at sizes where that recognises few people, it finds "
        "copies rather than people.",
        unit="share of the generated faces",
        valid=(0.0, 1.0),
        needs="training faces",
        looks_at=("copies",),
        interval="own",
    ),
    Metric(
        "identity_diversity",
        "Identity diversity",
        _identity_diversity,
        "reference",
        "average linkage at a false-match rate of 1e-3; see docs/uncertainty.md",
        "How many different people are among the generated faces; it should match how many are "
        "among as many real ones.",
        "Grows with the number of faces, and counts what the face network can tell apart: at small "
        "sizes several people may pass for one, and one for several, in real faces, too.",
        unit="people",
        valid=(1.0, math.inf),
        needs="faces",
        looks_at=("diversity",),
    ),
    Metric(
        "fd_identity",
        "Identity distance",
        _fd_identity,
        "lower",
        "Heusel et al. 2017, arXiv:1706.08500, in a face network's embedding",
        "Distance between the real and the generated faces as a face network sees them, which is "
        "made to tell people apart and not to see hats and backgrounds; 0 is perfect.",
        "Of found faces alone, and biased upwards at small N: compare only at equal N and like "
        "face rates.",
        unit="squared embedding units",
        needs="faces",
    ),
    Metric(
        "precision_identity",
        "Precision of identity",
        _precision_identity,
        "higher",
        "Kynkäänniemi et al. 2019, arXiv:1904.06991, in a face network's embedding",
        "Share of the generated faces that could be real people's, as a face network sees them.",
        "Of found faces alone. A generator that repeats one good face scores high; read it with "
        "recall of identity.",
        unit="share of the generated faces",
        valid=(0.0, 1.0),
        needs="faces",
        minimum=6,
        looks_at=("fidelity",),
    ),
    Metric(
        "recall_identity",
        "Recall of identity",
        _recall_identity,
        "higher",
        "Kynkäänniemi et al. 2019, arXiv:1904.06991, in a face network's embedding",
        "Share of the real faces like which the generator makes people, as a face network sees "
        "them.",
        "Of found faces alone. Outliers among the generated ones flatter it.",
        unit="share of the real faces",
        valid=(0.0, 1.0),
        needs="faces",
        minimum=6,
        looks_at=("diversity",),
    ),
    _pose_row("roll", "Pose: roll", "how far the head leans to a side", "degrees"),
    _pose_row(
        "yaw",
        "Pose: yaw",
        "how far the head is turned to a side, seen by the nose's place between the eyes",
        "eye distances",
    ),
    _pose_row(
        "eye_distance",
        "Pose: eye distance",
        "how large the face is in the picture, seen by the distance of its eyes",
        _SIDES,
    ),
    _pose_row("x", "Pose: place across", "where the eyes are across the picture", _SIDES),
    _pose_row("y", "Pose: height", "how far down the picture the eyes are", _SIDES),
    Metric(
        "share",
        "Share",
        _share,
        "reference",
        "adjusted count: Forman 2008; of probabilities: Bella et al. 2010",
        "Share of the generated images that show an attribute, by probes learnt from labelled real "
        "images and corrected by their known errors; it should match the real images' own.",
        "It takes for granted that a generated image with the attribute looks to the probe like a "
        "real one with it.",
        unit="share of the images",
        valid=(0.0, 1.0),
        needs="attributes",
        family=_shares,
        is_of_many=True,
        interval="own",
    ),
)
