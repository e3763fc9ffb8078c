"""What the decoder says of a pixel: a Gaussian, or a logistic over the 256 grey levels.

Pixels x and their means lie in [-1, 1]; neighbouring levels are 2 / 255 apart. Both have one fixed
standard deviation sigma for all pixels, which weighs the two terms of the ELBO.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

LEVEL = 2 / 255
"""Distance of neighbouring grey levels."""
NATS_TO_BITS = 1 / math.log(2)


def gaussian_log_density(
    x: Float[Tensor, "n 3 s s"], mean: Float[Tensor, "n 3 s s"], sigma: float
) -> Float[Tensor, " n"]:
    """Return log N(x; mean, sigma² I) in nats, summed over the pixels of each image."""
    error = (x - mean).square().flatten(1)
    return -(error.sum(1) / sigma**2 + error.shape[1] * math.log(2 * math.pi * sigma**2)) / 2


def logistic_log_probability(
    x: Float[Tensor, "n 3 s s"], mean: Float[Tensor, "n 3 s s"], sigma: float
) -> Float[Tensor, " n"]:
    """Return the log probability of grey levels `x` in nats, summed over each image's pixels.

    A level has the logistic's mass within half a level of it, the first and the last level all
    that lies beyond (Salimans et al. 2017, arXiv:1701.05517, equation 2).
    """
    scale = sigma * math.sqrt(3) / math.pi
    upper, lower = ((x - mean + side * LEVEL / 2) / scale for side in (1, -1))
    # For the logistic function s: log(s(u) - s(l)) = log s(u) + log s(-l) + log(1 - exp(l - u)),
    # and u - l is constant.
    inside = logsigmoid(upper) - softplus(lower) + math.log(-math.expm1(-LEVEL / scale))
    darkest, brightest = x < -1 + LEVEL / 2, x > 1 - LEVEL / 2
    value = torch.where(darkest, logsigmoid(upper), inside)
    return torch.where(brightest, -softplus(lower), value).flatten(1).sum(1)


LIKELIHOODS: dict[str, Callable[[Tensor, Tensor, float], Tensor]] = {
    "gaussian": gaussian_log_density,
    "logistic": logistic_log_probability,
}


def bits_per_dimension(elbo: float, likelihood: str, dimensions: int) -> float:
    """Return the bound in bits per pixel channel, of images of 256 levels.

    A density becomes a probability by the width of a level, which is an approximation.
    """
    if likelihood == "gaussian":
        elbo += dimensions * math.log(LEVEL)
    return -elbo / dimensions * NATS_TO_BITS
