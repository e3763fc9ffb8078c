"""R3GAN's objective (Huang et al. 2024, arXiv:2501.05441): a game that needs no other tricks.

Each real image is to be told from one generated one, and slopes of the discriminator are held down
at both: R1 and R2, by which the game converges.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from facebench_dcgan.backend import Backend, Losses

BURN_IN = 0.5
"""The share of the steps over which the rates move."""


class Rates(NamedTuple):
    """What one step is taken with."""

    gamma: float
    """The weight of both penalties."""
    beta_2: float
    """How long Adam remembers gradients' sizes."""
    lr: float


def rates(config: Mapping[str, Any], step: int) -> Rates:
    """Return the rates of step `step`: along half a cosine, then constant.

    gamma falls to a tenth and the learning rate to a quarter of what the options say, beta_2 rises
    from 0.9 to 0.99, as in the paper's appendix.

    >>> config = {"steps": 100, "gamma": 2.0, "lr": 4e-4}
    >>> [tuple(rates(config, step)) for step in (0, 100)]
    [(2.0, 0.9, 0.0004), (0.2, 0.99, 0.0001)]
    """
    done = min(step / (BURN_IN * config["steps"]), 1.0)
    left = (1 + math.cos(math.pi * done)) / 2

    def between(first: float, last: float) -> float:
        return last + left * (first - last)

    gamma, lr = config["gamma"], config["lr"]
    return Rates(between(gamma, gamma / 10), between(0.9, 0.99), between(lr, lr / 4))


def default_gamma(size: int) -> float:
    """Return the first gamma for images of `size` pixels: the paper's 2 at 64, by `size` cubed.

    >>> default_gamma(64)
    2.0
    """
    return 2.0 * (size / 64) ** 3


def relativistic_losses(
    backend: Backend, discriminate: Callable[[Any], Any], real: Any, fake: Any, gamma: Any
) -> Losses:
    """Return what both networks minimise, for images `real` and `fake` (n, h, w, 3).

    The generator's gradient takes no pass of its own through the discriminator: it is the slope at
    its images, which the penalty knows, times how much their logits matter.
    """
    from keras import ops

    count = real.shape[0]
    images = ops.stop_gradient(ops.concatenate([real, fake]))
    logits, slopes = backend.value_and_gradient(discriminate, images)
    margin = logits[:count] - logits[count:]
    d_loss = ops.mean(ops.softplus(-margin)) + gamma * zero_centred(slopes)
    matter = ops.reshape(ops.sigmoid(margin) / count, (-1, 1, 1, 1))
    pull = ops.stop_gradient(-matter * slopes[count:])
    # Its value is 0.
    along = ops.sum(pull * (fake - ops.stop_gradient(fake)))
    return d_loss, ops.stop_gradient(ops.mean(ops.softplus(margin))) + along


def zero_centred(slopes: Any) -> Any:
    """Return half the sum of R1 and R2: slopes (2n, h, w, 3) by real, then by generated images."""
    from keras import ops

    return ops.mean(ops.sum(ops.square(slopes), (1, 2, 3)))
