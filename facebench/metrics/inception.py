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
from facebench.metrics.arrays import Features, as_features


def inception_score(logits: Features, splits: int = 10, seed: int = 2020) -> tuple[float, float]:
    """Return the mean and the standard deviation over `splits` parts of logits (n, classes).

    Raises:
        BadInput: for fewer samples than splits, or values that are not finite.
    """
    if splits < 1:
        raise BadInput(f"An Inception Score over {splits} splits does not exist: take at least 1.")
    values = as_features(logits, "logits", minimum=splits)
    count = len(values)
    order = np.random.RandomState(seed).permutation(count)
    log_p = values[torch.from_numpy(order).to(values.device)].log_softmax(1)
    bounds = [i * count // splits for i in range(splits + 1)]
    scores = [_score(log_p[a:b]) for a, b in pairwise(bounds)]
    return float(np.mean(scores)), float(np.std(scores))


def _score(log_p: Float64[Tensor, "n c"]) -> float:
    """The marginal p(y) stays in logarithms, for 0 · log 0 would be NaN."""
    log_marginal = log_p.logsumexp(0) - math.log(len(log_p))
    return float((log_p.exp() * (log_p - log_marginal)).sum(1).mean().exp())
