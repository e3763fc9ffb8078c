"""The DCGAN as facebench.training sees it."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32

from facebench.files import atomic_path
from facebench.sampler import Images, LatentSampler
from facebench.training.learner import Choice, ImageRows, State, choose, generator, take
from facebench.training.parallel import ALONE, Group
from facebench_dcgan.augment import NUMBERS
from facebench_dcgan.generator import GeneratorSampler
from facebench_dcgan.growth import growth, growth_of
from facebench_dcgan.notebook_preset import CONTROL_SCALE, NotebookGAN, noisy_targets
from facebench_dcgan.relativistic import rates

if TYPE_CHECKING:
    from facebench.training.images import PlacedImages

Batch = dict[str, Any]
"""Arrays, or tensors of the networks' device."""


class DCGANLearner:
    """Draws the batches, and keeps what the networks are."""

    def __init__(self, config: dict[str, Any], images: ImageRows, group: Group = ALONE):
        """Build the networks that the run's `config` describes; Keras is already imported."""
        import keras

        from facebench_dcgan.gan import GAN

        keras.utils.set_random_seed(config["seed"])
        self.config = config
        self.steps, self.images_per_step = config["steps"], config["batch_size"]
        notebook = config["preset"] == "notebook"
        self.control_scale = CONTROL_SCALE if notebook else 1.0
        self.gan: GAN | NotebookGAN = NotebookGAN(config) if notebook else GAN(config, group)
        # Growing shrinks and fades images as float32, on the host.
        self.images = images if config["progressive"] else self.gan.backend.place(images)
        self.share = group.share
        self.done = 0
        self._sampler: LatentSampler | None = None

    def step(self, number: int) -> dict[str, Any]:
        """Take one step; return both losses."""
        stage, _ = growth_of(self.config, number)
        make = notebook_batch if self.config["preset"] == "notebook" else batch
        whole = make(self.images, self.config, number)
        d_loss, g_loss = self.gan.step(shared(whole, self.share), stage)
        self.done, self._sampler = number, None
        return {"d_loss": d_loss, "g_loss": g_loss}

    def sampler(self) -> LatentSampler:
        """Return the sampler of the averaged generator at the stage that it has grown to."""
        if self._sampler is None:
            stage, alpha = growth_of(self.config, self.done)
            network = self.gan.settle(stage, alpha)
            self._sampler = GeneratorSampler(network, self.config, alpha)
        return self._sampler

    def state(self) -> State:
        """Return every variable as an array."""
        from keras import ops

        return {
            name: np.array(ops.convert_to_numpy(variable))
            for name, variable in self.gan.variables().items()
        } | {"done": np.array(self.done)}

    def restore(self, state: State) -> None:
        """Assign every variable."""
        for name, variable in self.gan.variables().items():
            variable.assign(state[name])
        self.done, self._sampler = int(state["done"]), None

    def save(self, path: Path) -> None:
        """Write the averaged generator."""
        self.sampler()
        with atomic_path(path) as partial:
            self.gan.average.save(partial)

    def save_notebook_weights(self, folder: Path) -> None:
        """Write both networks' weights as ``gan.h5``, where the notebook had them."""
        import keras

        assert isinstance(self.gan, NotebookGAN)
        both = keras.Sequential([self.gan.generator, self.gan.discriminator])
        partial = folder / ".gan.weights.h5"  # the only ending that Keras 3 writes
        both.save_weights(partial)
        os.replace(partial, folder / "gan.h5")


def batch(images: "ImageRows | PlacedImages", config: dict[str, Any], step: int) -> Batch:
    """Return the arrays that :class:`GAN` needs for step `step`, drawn from the seed and it."""
    rng, count = generator(config["seed"], step), config["batch_size"]
    real = _real(images, choose(len(images), count, rng))
    z = rng.standard_normal((count, config["latent_dim"]), dtype=np.float32)
    unsure = rng.uniform(0, config["label_noise"], (2, count, 1)).astype(np.float32)
    targets = np.stack([1 - config["smoothing"] - unsure[0], unsure[1]]).astype(np.float32)
    found = {"real": real, "z": z, "targets": targets}
    if config["diffaugment"]:
        found["changes"] = rng.random((2, count, NUMBERS), dtype=np.float32)
    if config["loss"] == "wgan-gp":
        found["mix"] = rng.random((count, 1, 1, 1), dtype=np.float32)
    if config["loss"] == "r3":
        found["rates"] = np.array(rates(config, step), np.float32)
    return found | (_grown(real, config, step) if config["progressive"] else {})


def shared(batch: Batch, share: slice) -> Batch:
    """Return a process's part of `batch`."""
    paired = ("targets", "changes")  # for the real and for the generated images
    return {
        name: values if name == "rates" else values[:, share] if name in paired else values[share]
        for name, values in batch.items()
    }


def notebook_batch(images: "ImageRows | PlacedImages", config: dict[str, Any], step: int) -> Batch:
    """Return the arrays that :class:`NotebookGAN` needs: images in their order, none mirrored."""
    rng, count = generator(config["seed"], step), config["batch_size"]
    rows = np.arange((step - 1) * count, step * count) % len(images)
    shape = (count, config["latent_dim"])
    return {
        "real": _real(images, Choice(rows, np.zeros((count, 1, 1, 1), bool))),
        "z": rng.standard_normal(shape, dtype=np.float32),
        "z_next": rng.standard_normal(shape, dtype=np.float32),
        "targets": noisy_targets(count, rng),
    }


def _real(images: "ImageRows | PlacedImages", choice: Choice) -> Any:
    """Return the images of `choice` as the networks take them, where `images` places them."""
    if isinstance(images, ImageRows):
        return to_network(take(images, choice))
    pixels = images.take(choice).permute(0, 2, 3, 1).float()
    return pixels / pixels.new_full((), 127.5) - 1  # by a number CUDA would not quite divide


def to_network(images: Images) -> Float32[np.ndarray, "n h w 3"]:
    """Return the images as the networks take them: channels last, 0 to 255 mapped to [-1, 1]."""
    return images.transpose(0, 2, 3, 1).astype(np.float32) / 127.5 - 1


def _grown(real: Float32[np.ndarray, "n h w 3"], config: dict[str, Any], step: int) -> Batch:
    """Return real images at the stage's size, faded in as generated ones are, and `alpha`."""
    stage, alpha = growth(step, config["steps"], config["size"])
    now = _shrink(real, 4 << stage)
    if stage == 0:
        return {"real": now}
    before = _shrink(real, 2 << stage).repeat(2, 1).repeat(2, 2)
    faded = np.float32(alpha) * now + np.float32(1 - alpha) * before
    return {"real": faded, "alpha": np.full((len(real), 1, 1, 1), alpha, np.float32)}


def _shrink(images: Float32[np.ndarray, "n h w 3"], size: int) -> Float32[np.ndarray, "n s s 3"]:
    n, height, _, _ = images.shape
    factor = height // size
    return images.reshape(n, size, factor, size, factor, 3).mean((2, 4), dtype=np.float32)
