"""The GAN of the notebook that facebench grew from, kept as it was, as ``--preset notebook``.

Unlike `facebench_dcgan.gan`: images in [0, 1], no BatchNorm, generated images labelled 1 and real
ones 0 with noise on both, RMSprop with clipped gradients, two updates in turn.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from facebench_dcgan.backend import Losses, find_backend, numbered
from facebench_dcgan.gan import Batch

CONTROL_SCALE = 0.5
EPSILON = 1e-7
LABEL_NOISE = 0.05
PRESET: dict[str, Any] = {
    "steps": 20_000,
    "batch_size": 16,
    "width": 256,
    "latent_dim": 32,
    "lr": 1e-4,
    "log_every": 50,
    "grid_every": 50,
}
"""Options as in the notebook, where the command line gives no others."""
PICTURES, CROP, SIZE = 10_000, "celeba", 128
"""What its data were: the first pictures of CelebA, cropped by (0, 15, 178, 193)."""


class NotebookGAN:
    """Generator, discriminator and the two RMSprops."""

    def __init__(self, config: Mapping[str, Any]):
        import keras

        self.config = config
        self.backend = find_backend(keras.backend.backend())
        self.generator = _generator(config["size"], config["latent_dim"], config["width"])
        self.discriminator = _discriminator(config["size"], config["width"])
        # Not sent in every step.
        self.bounds = [self.backend.tensor(np.float32(x)) for x in (EPSILON, 1 - EPSILON)]
        networks = self.discriminator, self.generator
        self.trained = [network.trainable_variables for network in networks]
        self.optimizers = [_rmsprop(config["lr"], variables) for variables in self.trained]
        self._compiled = self.backend.compiled(self._step, False)
        latent = keras.Input((config["latent_dim"],))
        layers = [*self.generator.layers, keras.layers.Rescaling(2.0, -1.0)]
        # The generator to keep, with [0, 1] brought to the samplers' [-1, 1].
        self.average = keras.Sequential([latent, *layers])

    def step(self, batch: Batch, stage: int = -1) -> Losses:
        """Update the discriminator on `real` and images of `z`, then the generator by `z_next`."""
        return self._compiled(batch)

    def settle(self, stage: int = -1, alpha: float = 1.0) -> Any:
        """Return the generator to keep; there is nothing to settle."""
        return self.average

    def variables(self) -> dict[str, Any]:
        """Return every variable that the next step depends on, by name."""
        parts = {
            "generator": self.generator.variables,
            "discriminator": self.discriminator.variables,
            "discriminator_rmsprop": self.optimizers[0].variables,
            "generator_rmsprop": self.optimizers[1].variables,
        }
        return numbered(parts)

    def _step(self, batch: Batch) -> Losses:
        batch = {name: self.backend.tensor(values) for name, values in batch.items()}
        d_loss = self._update(0, lambda: self._discriminator_loss(batch))
        return d_loss, self._update(1, lambda: self._generator_loss(batch["z_next"]))

    def _update(self, which: int, loss: Any) -> Any:
        variables = self.trained[which]
        (value,), (gradients,) = self.backend.differentiate(lambda: (loss(),), variables)
        with self.backend.updating():
            self.optimizers[which].apply(gradients, variables)
        return value

    def _discriminator_loss(self, batch: Batch) -> Any:
        from keras import ops

        fake = self.generator(batch["z"], training=True)
        images = ops.concatenate([fake, (batch["real"] + 1) / 2])
        return self._cross_entropy(images, batch["targets"])

    def _generator_loss(self, z: Any) -> Any:
        from keras import ops

        images = self.generator(z, training=True)
        return self._cross_entropy(images, ops.zeros((z.shape[0], 1)))

    def _cross_entropy(self, images: Any, targets: Any) -> Any:
        from keras import ops

        answers = ops.clip(self.discriminator(images, training=True), *self.bounds)
        # PyTorch's own cross-entropy refuses labels above 1, which the noise makes.
        return -ops.mean(targets * ops.log(answers) + (1 - targets) * ops.log(1 - answers))


def noisy_targets(count: int, rng: np.random.Generator) -> np.ndarray:
    """Return 1 for `count` generated images, then 0 for as many real ones, each plus noise."""
    labels = np.concatenate([np.ones((count, 1)), np.zeros((count, 1))])
    return (labels + LABEL_NOISE * rng.random(labels.shape)).astype(np.float32)


def _generator(size: int, latent_dim: int, width: int) -> Any:
    """Return the network from latents to images about [0, 1], by way of features of an eighth."""
    from keras import Input, Sequential, layers

    small, half = size // 8, max(width // 2, 1)
    network = Sequential([Input((latent_dim,)), layers.Dense(half * small * small)])
    network.add(layers.LeakyReLU(0.3))
    network.add(layers.Reshape((small, small, half)))
    hidden = [layers.Conv2D(width, 5, padding="same")]
    hidden += [layers.Conv2DTranspose(width, 4, strides=2, padding="same") for _ in range(3)]
    hidden += [layers.Conv2D(2 * width, 5, padding="same") for _ in range(2)]
    for layer in hidden:
        network.add(layer)
        network.add(layers.LeakyReLU(0.3))
    network.add(layers.Conv2D(3, 7, padding="same", activation="tanh"))
    return network


def _discriminator(size: int, width: int) -> Any:
    """Return the network from images to the probability that they are generated."""
    from keras import Input, Sequential, layers

    network = Sequential([Input((size, size, 3)), layers.Conv2D(width, 3), layers.LeakyReLU(0.3)])
    while network.output_shape[1] >= 8 and len(network.layers) < 10:
        network.add(layers.Conv2D(width, 4, strides=2))
        network.add(layers.LeakyReLU(0.3))
    for layer in (layers.Flatten(), layers.Dropout(0.4), layers.Dense(1, activation="sigmoid")):
        network.add(layer)
    return network


def _rmsprop(rate: float, variables: list[Any]) -> Any:
    from keras import optimizers

    falling = optimizers.schedules.InverseTimeDecay(rate, decay_steps=1, decay_rate=1e-8)
    rmsprop = optimizers.RMSprop(falling, clipvalue=1.0)
    rmsprop.build(variables)
    return rmsprop
