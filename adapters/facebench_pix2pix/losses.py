"""What both networks minimise, from the discriminator's logits of patches (equations 1 to 4)."""

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

Logits = Float[Tensor, "n 1 p p"]


def discriminator_loss(real: Logits, fake: Logits) -> Float[Tensor, ""]:
    """Return half the cross-entropy of telling true answers from made ones.

    Half of it slows the discriminator down (Isola et al. 2017, section 3.3).
    """
    return (softplus(-real).mean() + softplus(fake).mean()) / 2


def generator_loss(fake: Logits) -> Float[Tensor, ""]:
    """Return the non-saturating cross-entropy of being taken for true (Goodfellow et al. 2014)."""
    return softplus(-fake).mean()


def learning_rate(first: float, step: int, steps: int) -> float:
    """Return the rate of a step: `first` for half of them, then along a line towards 0.

    >>> [learning_rate(1.0, step, 8) for step in (1, 4, 5, 6, 8)]
    [1.0, 1.0, 1.0, 0.75, 0.25]
    """
    return first * min(1.0, 2 * (1 - (step - 1) / steps))
