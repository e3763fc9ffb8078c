"""Metrics of identity as functions of embeddings, whatever face network they are of."""

from collections.abc import Sequence

import numpy as np

from facebench.errors import BadInput
from facebench.metrics.face_sets import FaceSet
from facebench.metrics.faces.distinct import identity_diversity as _diversity
from facebench.metrics.faces.leakage import leakage as _leakage

People = Sequence[int | str] | np.ndarray
"""Who each face shows, by number or name."""


def identity_leakage(training: np.ndarray, fake: np.ndarray, people: People | None = None) -> float:
    """Return the share of faces that are as alike to a training face as hardly a stranger's is.

    See :mod:`facebench.metrics.faces.leakage`. Innocent faces score .01; .001 where `people` are
    known and `training` has 10,000 faces.

    Args:
        training: embeddings of shape (n, d), n > 99, of any length; rows that are NaN have no face.
        fake: those of the generated faces, of shape (m, d).
        people: who each of `training` shows; extrapolated, and roughly so, where that is not known.

    Raises:
        BadInput: for too few faces, unequal shapes, and embeddings that are 0 or infinite.
    """
    return _leakage(_faces("training", training, people), _faces("fake", fake)).value


def identity_diversity(real: np.ndarray, fake: np.ndarray, people: People | None = None) -> float:
    """Return how many different people are among the generated faces.

    See :mod:`facebench.metrics.faces.distinct`. Of either set the first N faces count, N being as
    many as both have, and 4,000 at most.

    Args:
        real: embeddings of shape (n, d) of real faces, which tell how alike different people are.
        fake: those of the generated faces, of shape (m, d).
        people: who each of `real` shows, where that is known.

    Raises:
        BadInput: for too few faces, unequal shapes, and embeddings that are 0 or infinite.
    """
    return _diversity(_faces("real", real, people), _faces("fake", fake)).value


def _faces(name: str, embeddings: np.ndarray, people: People | None = None) -> FaceSet:
    vectors = np.asarray(embeddings, np.float32)
    if vectors.ndim != 2:
        raise BadInput(f"The {name} embeddings must have the shape (n, d), not {vectors.shape}.")
    found = np.asarray(~np.isnan(vectors).any(1))
    lengths = np.linalg.norm(vectors[found], axis=1)
    if not np.isfinite(lengths).all() or not (lengths > 0).all():
        raise BadInput(f"Of the {name} embeddings some are 0 or infinite: mend what computed them.")
    vectors = np.where(found[:, None], vectors, np.nan)
    vectors[found] /= lengths[:, None]
    nowhere = np.full(len(vectors), np.nan, np.float32)
    points = np.full((len(vectors), 3, 2), np.nan, np.float32)
    counts = np.asarray(found, np.int32)
    return FaceSet(counts, nowhere, points, vectors, _numbered(people, vectors))


def _numbered(people: People | None, vectors: np.ndarray) -> np.ndarray | None:
    if people is None:
        return None
    if len(people) != len(vectors):
        raise BadInput(f"There are {len(people)} people for {len(vectors)} faces: one for each.")
    return np.unique(np.asarray(people), return_inverse=True)[1].astype(np.int64)
