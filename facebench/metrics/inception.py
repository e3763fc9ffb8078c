"""Inception Score, exp E KL(p(y|x) ‖ p(y)) (Salimans et al. 2016, 1606.03498).

As in torch-fidelity: classifier logits without their bias, shuffled with a seed, and the standard
deviation over the splits taken as the population's. torchmetrics takes the sample's.
"""

import math
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from facebench.errors import BadInput
from facebench.metrics.arrays import Features, as_rows
from facebench.metrics.uncertainty import Estimate, from_splits


def inception_score(logits: Features, splits: int = 10, seed: int = 2020) -> tuple[float, float]:
    """Return the mean and the standard deviation over `splits` parts of logits (n, classes).

    Raises:
        BadInput: for fewer samples than splits, or values that are not finite.
    """
    scores = _scores(logits, splits, seed)
    return float(np.mean(scores)), float(np.std(scores))


def inception_estimate(logits: Features, splits: int = 10, seed: int = 2020) -> Estimate:
    """Return the Inception Score and its uncertainty, for its splits share no image."""
    return from_splits(_scores(logits, splits, seed))


def _scores(logits: Features, splits: int, seed: int) -> list[float]:
    if splits < 1:
        raise BadInput(f"An Inception Score over {splits} splits does not exist: take at least 1.")
    values = as_rows(logits, "logits", minimum=splits)
    count = len(values)
    shuffled = values.subset(torch.from_numpy(np.random.RandomState(seed).permutation(count)))
    bounds = [i * count // splits for i in range(splits + 1)]
    scores = [_score(shuffled[a:b].log_softmax(1)) for a, b in pairwise(bounds)]
    return torch.stack(scores).cpu().tolist()


def _score(log_p: Float64[Tensor, "n c"]) -> Float64[Tensor, ""]:
    """The marginal p(y) stays in logarithms, for 0 · log 0 would be NaN."""
    log_marginal = log_p.logsumexp(0) - math.log(len(log_p))
    return (log_p.exp() * (log_p - log_marginal)).sum(1).mean().exp()
