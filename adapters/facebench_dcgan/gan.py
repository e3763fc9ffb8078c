"""One training step of DCGAN, the same on either backend.

Both networks step at once from the losses of one forward pass, which saves the second pass
through both that alternating steps would take.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from facebench.training.parallel import ALONE, Group
from facebench_dcgan.adam import ScheduledAdam
from facebench_dcgan.augment import augment
from facebench_dcgan.backend import Backend, Losses, find_backend, numbered
from facebench_dcgan.losses import discriminator_loss, generator_loss, gradient_penalty
from facebench_dcgan.model import MOMENTUM
from facebench_dcgan.networks import discriminators, generators, normalises
from facebench_dcgan.relativistic import relativistic_losses

SETTLING_PASSES = 100
_MOVING = "moving_mean", "moving_variance"
"""What BatchNorm's statistics are called."""
Batch = Mapping[str, Any]
"""Arrays of one step: ``real`` (n, s, s, 3) in [-1, 1], ``z`` (n, d), ``targets`` (2, n, 1), and,
where the options ask for them, ``changes`` (2, n, 7), ``mix`` (n, 1, 1, 1), ``alpha`` (n, 1, 1, 1),
``rates`` (3,), a `facebench_dcgan.relativistic.Rates`.
"""


class GAN:
    """The two networks, their optimizers, and `average`: the generator to keep.

    `average` has the exponential moving average of the generator's weights (Karras et al. 2018,
    arXiv:1710.10196), which evens out the swings of adversarial training. Every network is a list
    of stages that share layers; only the last, the plain one, is used unless the network grows.
    """

    def __init__(self, config: Mapping[str, Any], group: Group = ALONE):
        """Build the networks that `config` describes on the backend that Keras runs on.

        Args:
            config: the run's options.
            group: of processes that share each batch.
        """
        import keras

        self.config = config
        self.backend = find_backend(keras.backend.backend(), group)
        keras.config.set_dtype_policy("mixed_bfloat16" if config["mixed_precision"] else "float32")
        self.generators, self.discriminators = generators(config), discriminators(config)
        keras.config.set_dtype_policy("float32")
        self.averages = generators(config)
        self.average = self.averages[-1]
        self.average.set_weights(self.generators[-1].get_weights())
        self.trained = [_trainable(nets) for nets in (self.discriminators, self.generators)]
        self.averaged = _trainable(self.averages)
        self.decay = self.backend.tensor(np.float32(config["ema"]))  # not sent in every step
        self.optimizers = [_adam(config, variables) for variables in self.trained]
        self._compiled: dict[int, Callable[[Batch], Losses]] = {}

    def step(self, batch: Batch, stage: int = -1) -> Losses:
        """Take one step of both networks at `stage`; return the losses before it."""
        if stage not in self._compiled:
            self._compiled[stage] = self.backend.compiled(
                lambda batch: self._step(batch, stage), self.config["jit_compile"]
            )
        return self._compiled[stage](batch)

    def losses(self, batch: Batch, stage: int = -1) -> Losses:
        """Return what the discriminator and the generator minimise."""
        batch = {name: self.backend.tensor(values) for name, values in batch.items()}
        name, alpha = self.config["loss"], batch.get("alpha")
        fake = _call(self.generators[stage], batch["z"], alpha)
        changes = batch.get("changes", (None, None))

        def discriminate(images: Any, changes: Any = None) -> Any:
            changed = images if changes is None else augment(images, changes)
            return _call(self.discriminators[stage], changed, alpha)

        if name == "r3":
            return self._relativistic_losses(discriminate, batch, fake)
        logits = discriminate(batch["real"], changes[0]), discriminate(fake, changes[1])
        d_loss = discriminator_loss(name, *logits, batch["targets"])
        if name == "wgan-gp":
            between = batch["mix"] * batch["real"] + (1 - batch["mix"]) * fake
            d_loss += gradient_penalty(self.backend.input_gradient(discriminate, between))
        return d_loss, generator_loss(name, logits[1])

    def _relativistic_losses(
        self, discriminate: Callable[..., Any], batch: Batch, fake: Any
    ) -> Losses:
        from keras import ops

        changes = batch.get("changes")
        if changes is not None:
            changes = ops.reshape(changes, (-1, changes.shape[-1]))
        return relativistic_losses(
            self.backend,
            lambda images: discriminate(images, changes),
            batch["real"],
            fake,
            batch["rates"][0],
        )

    def settle(self, stage: int = -1, alpha: float = 1.0) -> Any:
        """Measure the BatchNorm statistics of the averaged weights; return that network."""
        if normalises(self.config):
            settle(self.averages[stage], self.backend, self.config["latent_dim"], stage, alpha)
        return self.averages[stage]

    def variables(self) -> dict[str, Any]:
        """Return every variable that the next step or the kept generator depends on, by name."""
        networks = {
            "generator": unique_variables(self.generators),
            "average": unique_variables(self.averages),
            "discriminator": unique_variables(self.discriminators),
            "discriminator_adam": self.optimizers[0].variables,
            "generator_adam": self.optimizers[1].variables,
        }
        return numbered(networks)

    def _step(self, batch: Batch, stage: int) -> Losses:
        losses, gradients = self.backend.differentiate(
            lambda: self.losses(batch, stage), *self.trained
        )
        means = [self.backend.average(each) for each in gradients]
        with self.backend.updating():
            steps = zip(self.optimizers, self.trained, means, strict=True)
            for optimizer, variables, values in steps:
                optimizer.apply(values, variables, *self._rates(batch))
            self._move_average()
        return losses[0], losses[1]

    def _rates(self, batch: Batch) -> tuple[Any, ...]:
        """Return beta_2 and the learning rate where they differ from step to step."""
        if "rates" not in batch:
            return ()
        rates = self.backend.tensor(batch["rates"])
        return rates[1], rates[2]

    def _move_average(self) -> None:
        from keras import ops

        step = ops.cast(self.optimizers[1].iterations, "float32")
        # Short while the weights still run.
        decay = ops.minimum(self.decay, step / (step + 10))
        for mean, value in zip(self.averaged, self.trained[1], strict=True):
            mean.assign(decay * mean + (1 - decay) * value)


def settle(network: Any, backend: Backend, latent_dim: int, stage: int, alpha: float) -> None:
    """Measure the BatchNorm statistics of `network`, the averaged generator at `stage`.

    They are measured and not averaged along, for averages of statistics fit no one network: at
    64x64, after 1,000 steps, they made images 25 grey levels brighter. Nothing of what was measured
    before is left in them, so it does not matter how often that was.
    """
    statistics = [v for v in network.non_trainable_variables if v.name in _MOVING]
    shape = (SETTLING_PASSES, 64, latent_dim)
    fade = None
    if stage not in (-1, 0):
        fade = backend.tensor(np.full((64, 1, 1, 1), alpha, np.float32))
    with backend.updating():
        for each in statistics:
            each.assign(each * 0)
        for z in np.random.default_rng(0).standard_normal(shape, dtype=np.float32):
            _call(network, backend.tensor(z), fade)
        for each in statistics:  # as Adam corrects its moments, which begin at 0, too
            each.assign(each / (1 - MOMENTUM**SETTLING_PASSES))


def _adam(config: Mapping[str, Any], variables: list[Any]) -> Any:
    from keras import optimizers

    if config["loss"] == "r3":
        return ScheduledAdam(variables)
    beta_1, beta_2 = (0.0, 0.99) if config["loss"] == "wgan-gp" else (0.5, 0.999)
    adam = optimizers.Adam(config["lr"], beta_1=beta_1, beta_2=beta_2)
    adam.build(variables)
    return adam


def _call(network: Any, x: Any, alpha: Any) -> Any:
    """Call `network` in training mode, with `alpha` where its stage fades in."""
    return network(x if alpha is None else [x, alpha], training=True)


def unique_variables(networks: list[Any]) -> list[Any]:
    """Return the variables of networks that share layers, each once."""
    found = {id(v): v for network in networks for v in network.variables}
    return list(found.values())


def _trainable(networks: list[Any]) -> list[Any]:
    return [variable for variable in unique_variables(networks) if variable.trainable]
