"""Which share of the images has an attribute: by probes, corrected by their known errors.

With s a probe's score, and μ₁ and μ₀ its means over real images with and without the attribute
that it did not see, the share among other images is

    p = (mean of s over these - μ₀) / (μ₁ - μ₀)

(adjusted count: Forman 2008; of probabilities instead of decisions: Bella et al. 2010). A plain
count of what the probe calls so would inherit its errors, and the real images' share. It takes for
granted that a generated image with the attribute looks to the probe like a real one with it.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Float64, Int8

from facebench.errors import BadInput
from facebench.metrics.arrays import Features
from facebench.metrics.faces.probes import Learnt, Probes, folds
from facebench.metrics.uncertainty import Estimate, from_influence


def shares(probes: Probes, fake: Features) -> Mapping[str, Estimate | BadInput]:
    """Return the share of the generated images that has each attribute, beside the real images'.

    In place of an attribute that the real images' features do not tell stands the reason.

    Args:
        probes: learnt from the real images.
        fake: features (m, d).
    """
    said = probes.scores(fake)
    found = {name: corrected_share(probes.learnt[name], scores) for name, scores in said.items()}
    return {**found, **{name: BadInput(why) for name, why in probes.refused.items()}}


def corrected_share(learnt: Learnt, said: Float64[np.ndarray, "m folds"]) -> Estimate:
    """Return the corrected share, whose uncertainty has that of the correction in it.

    Whether it differs is asked of the difference from the real images' own share, which is the less
    certain the fewer they are.

    Args:
        learnt: what is known of the attribute's probes.
        said: the scores that they give to each generated image.
    """
    labels, scores = learnt.labels, learnt.scores
    without, having = _Kind(scores, labels, 0), _Kind(scores, labels, 1)
    weights = _weights(without, having)
    reach = float(weights @ (having.means - without.means))
    of_fake = said @ weights
    share = (float(of_fake.mean()) - float(weights @ without.means)) / reach
    of_errors = -((1 - share) * without.influence(weights) + share * having.influence(weights))
    own, of_own = _known_share(labels)
    estimate = from_influence(share, of_errors / reach, of_fake / reach)
    apart = from_influence(share - own, of_errors / reach - of_own, of_fake / reach)
    return replace(
        estimate,
        value=min(max(share, 0.0), 1.0),
        bounds=estimate.interval((0.0, 1.0)),
        reference=own,
        details={"auc": learnt.auc},
        differs=_is_beyond_noise(apart),
    )


class _Kind:
    """The real images that have the attribute, or those that have it not, fold by fold."""

    def __init__(
        self, scores: Float64[np.ndarray, " n"], labels: Int8[np.ndarray, " n"], kind: int
    ) -> None:
        self.scores, self.is_kind, self.parts = scores, labels == kind, folds(len(labels))
        self.counts = np.array([self.is_kind[part].sum() for part in self.parts])
        totals = np.array([scores[part][self.is_kind[part]].sum() for part in self.parts])
        self.means = totals / np.maximum(self.counts, 1)

    def influence(self, weights: Float64[np.ndarray, " folds"]) -> Float64[np.ndarray, " n"]:
        """Return each real image's influence on the weighted mean of the folds' means."""
        found = np.zeros(len(self.scores))
        shares = weights * len(found) / np.maximum(self.counts, 1)
        for part, mean, share in zip(self.parts, self.means, shares, strict=True):
            found[part] = (self.scores[part] - mean) * self.is_kind[part] * share
        return found


def _weights(without: _Kind, having: _Kind) -> Float64[np.ndarray, " folds"]:
    """Return how much each fold's probe counts: as much as its held-out images tell of it.

    That is the harmonic mean of their numbers with and without the attribute.
    """
    known = without.counts * having.counts / np.maximum(without.counts + having.counts, 1)
    return known / known.sum()


def _known_share(labels: Int8[np.ndarray, " n"]) -> tuple[float, Float64[np.ndarray, " n"]]:
    """Return the real images' own share, of those that are known, and each one's influence."""
    known = labels >= 0
    own = float((labels == 1).sum() / known.sum())
    return own, ((labels == 1) - own) * known * (len(labels) / known.sum())


def _is_beyond_noise(difference: Estimate) -> bool | None:
    interval = difference.interval()
    return None if interval is None else not interval[0] <= 0 <= interval[1]
