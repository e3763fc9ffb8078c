"""How near a translator's answers are to the true ones: one value for each source.

Sources are drawn independently, not the answers to one of them. So the pseudo-values, by which
intervals are and models compared, are the sources' own values: the paired test is that of two
columns of values by source.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from facebench.errors import BadInput
from facebench.metrics.face_sets import FaceSet
from facebench.metrics.faces.found import share_bounds
from facebench.metrics.faces.readability import RATE, pair_threshold
from facebench.metrics.uncertainty import Estimate, from_sources

OfSources = Float[np.ndarray, " n"]


@dataclass(frozen=True, eq=False)
class PairScores:
    """What there is of a set of answers, by name, for each source, in the order of the sources."""

    values: Mapping[str, np.ndarray]
    size: tuple[int, int]
    """Of the targets, height and width."""


def of_pixels(pairs: PairScores | None, name: str, least: int, title: str) -> Estimate:
    """Return the mean over sources of the values called `name`.

    Args:
        pairs: the values.
        name: which.
        least: the pixels a side that images need for it.
        title: what it is called in a refusal.

    Raises:
        BadInput: for images that are too small, and where there are no targets.
    """
    if pairs is None:
        raise BadInput(f"{title} needs the true target of each image: facebench eval-pairs.")
    if name not in pairs.values:
        height, width = pairs.size
        raise BadInput(
            f"{title} needs images of {least} pixels a side or more, and the targets are of "
            f"{width}×{height}"
        )
    return from_sources(np.asarray(pairs.values[name], np.float64))


def calibration(pairs: PairScores | None) -> Estimate:
    """Return the share of pixel values of the targets that are within the range of the answers.

    If the target of a source is to its K answers as one more answer, each of the K + 1 ranks is
    equally likely, and it is neither the least nor the greatest with probability (K - 1)/(K + 1):
    the reference. The details have the rank histogram (Hamill 2001).

    Raises:
        BadInput: where there are no several answers to each source.
    """
    if pairs is None or "ranks" not in pairs.values:
        raise BadInput("Calibration needs several answers to each source: --seeds-per-source.")
    shares = np.asarray(pairs.values["ranks"], np.float64)
    answers = shares.shape[1] - 1
    nominal = (answers - 1) / (answers + 1)
    estimate = from_sources(shares[:, 1:-1].sum(1)).beside(nominal)
    details: dict[str, float | str] = {
        "answers": float(answers),
        "deviation": estimate.value - nominal,
        "rank_histogram": " ".join(f"{share:.3f}" for share in shares.mean(0)),
    }
    return replace(estimate, details=details)


def identity_kept(real: FaceSet, fake: FaceSet) -> Estimate:
    """Return the share of answers whose face passes for that of the person on the target.

    It does where the two are as alike as one pair in a thousand of different targets is: the
    threshold of verification at a false-match rate of 1e-3. An answer without a face has kept
    nobody. Sources whose target shows no face are left out, for all models alike.

    Args:
        real: the targets' faces.
        fake: the answers' faces, equally many to each target, in order.

    Raises:
        BadInput: where too few faces were found in the targets for a threshold.
    """
    answers = len(fake) // len(real)
    found = np.flatnonzero(real.found)
    threshold = pair_threshold(real.take(found))
    if threshold is None:
        raise BadInput(
            f"Identity kept needs {round(1 / RATE)} pairs of different targets with a face, to "
            f"know how alike different people are, and a face was found in {len(found)} targets"
        )
    embeddings = np.asarray(fake.embeddings, np.float64).reshape(len(real), answers, -1)[found]
    of_targets = np.asarray(real.embeddings, np.float64)[found]
    alike = np.einsum("nad,nd->na", embeddings, of_targets)  # NaN where there is no face
    kept = (alike >= threshold).mean(1)
    estimate = replace(from_sources(kept), bounds=share_bounds(kept))
    details: dict[str, float | str] = {"threshold": threshold, "sources": float(len(found))}
    if not np.isnan(alike).all():
        details["mean_similarity"] = float(np.nanmean(alike))
    return replace(estimate, details=details)
