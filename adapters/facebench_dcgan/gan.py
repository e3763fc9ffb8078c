"""One training step of DCGAN, the same on either backend but for the call that takes gradients.

Both networks step at once from the losses of one forward pass, which saves the second pass
through both that alternating steps would take.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from facebench_dcgan.model import build_discriminator, build_generator

Losses = tuple[Any, Any]
"""Of the discriminator and of the generator: scalar tensors of the backend."""

EMA_DECAY = 0.999
SETTLING_PASSES = 100


class GAN:
    """The two networks, their optimizers, and `average`: the generator to keep.

    `average` has the exponential moving average of the generator's weights (Karras et al. 2018,
    arXiv:1710.10196), which evens out the swings of adversarial training.
    """

    def __init__(self, size: int, latent_dim: int, width: int):
        """Build networks for images of `size` pixels on the backend that Keras runs on."""
        import keras

        self.generator = build_generator(size, latent_dim, width)
        self.average = build_generator(size, latent_dim, width)
        self.average.set_weights(self.generator.get_weights())
        self.discriminator = build_discriminator(size, width)
        self.trained = (self.discriminator, self.generator)
        self.optimizers = [keras.optimizers.Adam(2e-4, beta_1=0.5) for _ in self.trained]
        for optimizer, network in zip(self.optimizers, self.trained, strict=True):
            optimizer.build(network.trainable_variables)
        self.step = _STEPS[keras.backend.backend()](self)

    def losses(self, real: Any, z: Any, targets: Any) -> Losses:
        """Return the binary cross-entropies; the generator's is the non-saturating one.

        `real` is (n, size, size, 3) in [-1, 1], `z` is (n, latent_dim), and `targets` (2, n, 1)
        says what the discriminator shall answer to the real and to the generated images.
        """
        from keras import ops

        logits_real = self.discriminator(real, training=True)
        logits_fake = self.discriminator(self.generator(z, training=True), training=True)
        wanted = cross_entropy(targets[0], logits_real) + cross_entropy(targets[1], logits_fake)
        return wanted, cross_entropy(ops.ones_like(logits_fake), logits_fake)

    def update(self, gradients: list[Any]) -> None:
        """Apply the gradients of both networks, then move the average."""
        for optimizer, network, values in zip(
            self.optimizers, self.trained, gradients, strict=True
        ):
            optimizer.apply(values, network.trainable_variables)
        self._move_average()

    def settle(self) -> Any:
        """Measure the BatchNorm statistics of the averaged weights; return that network.

        They are measured and not averaged along, for averages of statistics fit no one network:
        at 64x64, after 1,000 steps, they made images 25 grey levels brighter.
        """
        shape = (SETTLING_PASSES, 64, self.average.input_shape[-1])
        for z in np.random.default_rng(0).standard_normal(shape, dtype=np.float32):
            self.average(z, training=True)
        return self.average

    def _move_average(self) -> None:
        from keras import ops

        step = ops.cast(self.optimizers[1].iterations, "float32")
        decay = ops.minimum(EMA_DECAY, step / (step + 10))  # short while the weights still run
        weights = (network.trainable_variables for network in (self.average, self.generator))
        for mean, value in zip(*weights, strict=True):
            mean.assign(decay * mean + (1 - decay) * value)


def cross_entropy(target: Any, logits: Any) -> Any:
    """Return the mean binary cross-entropy of logits."""
    from keras import ops

    return ops.mean(ops.binary_crossentropy(target, logits, from_logits=True))


Step = Callable[[np.ndarray, np.ndarray, np.ndarray], Losses]


def _tensorflow_step(gan: GAN) -> Step:
    import tensorflow as tf

    def step(*batch: Any) -> Losses:
        with tf.GradientTape(persistent=True) as tape:
            losses = gan.losses(*batch)
        gan.update(
            [
                tape.gradient(loss, network.trainable_variables)
                for loss, network in zip(losses, gan.trained, strict=True)
            ]
        )
        return losses

    return tf.function(step)


def _torch_step(gan: GAN) -> Step:
    import torch

    def step(*batch: Any) -> Losses:
        losses = gan.losses(*batch)
        gradients = [
            torch.autograd.grad(
                loss, [v.value for v in network.trainable_variables], retain_graph=True
            )
            for loss, network in zip(losses, gan.trained, strict=True)
        ]
        with torch.no_grad():
            gan.update(gradients)
        return losses

    return step


_STEPS = {"tensorflow": _tensorflow_step, "torch": _torch_step}
