"""Strengths of models from pairs: Bradley and Terry (1952), ties after Davidson (1970).

With η half of the left model's strength less the right one's, and of what the left side is worth
by itself (Davidson and Beaver 1977),

    P(left) : P(right) : P(tie)  =  exp η : exp −η : w.

Normal priors, of a standard deviation of 2 for strengths, keep estimates finite where a model won
all its pairs, and tie models together that were never compared. The mode is where Newton's method
ends: the logarithm of the posterior is strictly concave.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int

from facebench.arena.clusters import excess

LEFT, RIGHT, TIE = 0, 1, 2
NORMAL = 1.959963984540054  # the 97.5 % point of the normal distribution
PRIOR_SD = 2.0
"""Of strengths, of the side and of log w: a strength of 2 is preferred to the mean in 88 %."""
_STEPS = 100
_CLOSE = 1e-10


@dataclass(frozen=True)
class Pairs:
    """Judgements of pairs: of each the models on its sides, and the outcome."""

    left: Int[np.ndarray, " votes"]
    right: Int[np.ndarray, " votes"]
    outcome: Int[np.ndarray, " votes"]
    judge: Int[np.ndarray, " votes"]
    pictures: Int[np.ndarray, "votes 2"]
    """Which pictures were shown."""


@dataclass(frozen=True)
class Fit:
    """Where the posterior is highest, and how sure that is."""

    parameters: Float64[np.ndarray, " p"]
    """The strengths, whose mean is 0; what the left side is worth; log w."""
    covariance: Float64[np.ndarray, "p p"]
    """The inverse of the information: all there is to say where votes are independent."""
    excess: Float64[np.ndarray, "p p"]
    """What the votes on one picture, and those of one judge, add to it, or seem to take."""

    @property
    def strengths(self) -> Float64[np.ndarray, " models"]:
        """Log-odds against the mean of the models."""
        return self.parameters[:-2]

    def error(self, contrast: Float64[np.ndarray, " p"]) -> float:
        """Return the standard error of a sum of parameters, weighted by `contrast`.

        Votes in common widen it, and never narrow it: what seems to be taken is noise.
        """
        alone, more = (float(contrast @ v @ contrast) for v in (self.covariance, self.excess))
        return float((alone + max(more, 0.0)) ** 0.5)

    def contrast(self, model: int, other: int | None = None) -> Float64[np.ndarray, " p"]:
        """Return the weights of a model's strength less another's, or less the models' mean."""
        models = len(self.strengths)
        weights = np.zeros(len(self.parameters))
        weights[model] = 1
        if other is None:
            weights[:models] -= 1 / models
        else:
            weights[other] -= 1
        return weights

    @property
    def left(self) -> tuple[float, float]:
        """What the left side is worth in log-odds, and its standard error."""
        return float(self.parameters[-2]), self.error(np.eye(len(self.parameters))[-2])


def fit(pairs: Pairs, models: int) -> Fit:
    """Return the strengths of `models` models, and how sure they are.

    See :func:`facebench.arena.clusters.excess` for what votes have in common.
    """
    design = _design(pairs, models)
    parameters = _mode(design, pairs.outcome)
    p = probabilities(design @ parameters, parameters[-1])
    inverse = np.linalg.inv(_information(design, p))
    more = excess(_scores(design, p, pairs.outcome), pairs.pictures, pairs.judge)
    return Fit(parameters, inverse, inverse @ more @ inverse)


def probabilities(
    eta: Float64[np.ndarray, " votes"], log_tie: float | np.floating
) -> Float64[np.ndarray, "votes 3"]:
    """Return the probabilities of left, right and tie."""
    logits = np.stack([eta, -eta, np.full_like(eta, log_tie)], axis=1)
    odds = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(odds / odds.sum(1, keepdims=True))


def _design(pairs: Pairs, models: int) -> Float64[np.ndarray, "votes p"]:
    """Return how η depends on the parameters: not on the last one, which is of ties."""
    votes = np.arange(len(pairs.left))
    design = np.zeros((len(votes), models + 2))
    design[votes, pairs.left] += 0.5
    design[votes, pairs.right] -= 0.5
    design[:, -2] = 0.5
    return design


def _mode(
    design: Float64[np.ndarray, "votes p"], outcome: Int[np.ndarray, " votes"]
) -> Float64[np.ndarray, " p"]:
    """Return the posterior's mode, by Newton's method with steps that are halved where needed."""
    x = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        p = probabilities(design @ x, x[-1])
        gradient = _scores(design, p, outcome).sum(0) - x / PRIOR_SD**2
        step = np.linalg.solve(_information(design, p), gradient)
        here = _log_posterior(x, design, outcome)
        while _log_posterior(x + step, design, outcome) < here and np.abs(step).max() > _CLOSE:
            step /= 2
        x = x + step
        if np.abs(step).max() < _CLOSE:
            break
    return x


def _log_posterior(
    x: Float64[np.ndarray, " p"],
    design: Float64[np.ndarray, "votes p"],
    outcome: Int[np.ndarray, " votes"],
) -> float:
    p = probabilities(design @ x, x[-1])[np.arange(len(outcome)), outcome]
    return float(np.log(p).sum() - (x @ x) / (2 * PRIOR_SD**2))


def _scores(
    design: Float64[np.ndarray, "votes p"],
    p: Float64[np.ndarray, "votes 3"],
    outcome: Int[np.ndarray, " votes"],
) -> Float64[np.ndarray, "votes p"]:
    """Return each vote's gradient of the log-likelihood."""
    residuals = np.eye(3)[outcome] - p
    scores = design * (residuals[:, LEFT] - residuals[:, RIGHT])[:, None]
    scores[:, -1] = residuals[:, TIE]
    return np.asarray(scores)


def _information(
    design: Float64[np.ndarray, "votes p"], p: Float64[np.ndarray, "votes 3"]
) -> Float64[np.ndarray, "p p"]:
    """Return the expected information of the votes and of the priors."""
    lean = p[:, LEFT] - p[:, RIGHT]
    found = design.T @ (design * (p[:, LEFT] + p[:, RIGHT] - lean**2)[:, None])
    found[-1] = found[:, -1] = -design.T @ (lean * p[:, TIE])
    found[-1, -1] = (p[:, TIE] * (1 - p[:, TIE])).sum()
    return np.asarray(found + np.eye(len(found)) / PRIOR_SD**2)


def ranks(fitted: Fit) -> list[int]:
    """Return each model's rank: 1 + the number of models that are stronger beyond noise, at 5 %."""
    strengths = fitted.strengths
    return [
        1 + sum(_is_stronger(fitted, j, i) for j in range(len(strengths)) if j != i)
        for i in range(len(strengths))
    ]


def _is_stronger(fitted: Fit, model: int, other: int) -> bool:
    difference = fitted.strengths[model] - fitted.strengths[other]
    return bool(difference > NORMAL * fitted.error(fitted.contrast(model, other)))


def is_connected(pairs: Pairs, models: Sequence[int]) -> bool:
    """Say whether any two models are joined by a chain of pairs that were judged."""
    reached, left = {models[0]}, {*models[1:]}
    edges = {*zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)}
    while new := {b for a, b in edges | {(b, a) for a, b in edges} if a in reached and b in left}:
        reached |= new
        left -= new
    return not left
