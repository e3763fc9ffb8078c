"""Adversarial losses. `real` and `fake` are the discriminator's logits (n, 1)."""

from typing import Any, Literal

LossName = Literal["nonsaturating", "hinge", "wgan-gp", "r3"]
"""The last is in `facebench_dcgan.relativistic`."""
PENALTY = 10.0
"""The gradient penalty's weight (Gulrajani et al. 2017)."""
DRIFT = 1e-3
"""Keeps the critic's answers, of which only differences matter, near 0 (Karras et al. 2018)."""


def discriminator_loss(name: LossName, real: Any, fake: Any, targets: Any) -> Any:
    """Return what the discriminator minimises; `targets` (2, n, 1) matter to cross-entropy alone.

    Goodfellow et al. 2014 (cross-entropy), Lim & Ye 2017 (hinge), Arjovsky et al. 2017 (critic).
    """
    from keras import ops

    if name == "nonsaturating":
        return cross_entropy(targets[0], real) + cross_entropy(targets[1], fake)
    if name == "hinge":
        return ops.mean(ops.relu(1 - real)) + ops.mean(ops.relu(1 + fake))
    return ops.mean(fake) - ops.mean(real) + DRIFT * ops.mean(ops.square(real))


def generator_loss(name: LossName, fake: Any) -> Any:
    """Return what the generator minimises: the non-saturating cross-entropy, or minus the logit."""
    from keras import ops

    if name == "nonsaturating":
        return cross_entropy(ops.ones_like(fake), fake)
    return -ops.mean(fake)


def gradient_penalty(gradient: Any) -> Any:
    """Return the penalty for gradients (n, h, w, 3), by the images, of other than unit norm."""
    from keras import ops

    norm = ops.sqrt(ops.sum(ops.square(gradient), (1, 2, 3)) + 1e-12)
    return PENALTY * ops.mean(ops.square(norm - 1))


def cross_entropy(target: Any, logits: Any) -> Any:
    """Return the mean binary cross-entropy of logits."""
    from keras import ops

    return ops.mean(ops.binary_crossentropy(target, logits, from_logits=True))
