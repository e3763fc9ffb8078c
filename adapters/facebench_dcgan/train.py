"""``facebench train dcgan``."""

import math
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import click
import numpy as np
from jaxtyping import Float32

from facebench.data.dataset import Dataset
from facebench.errors import BadInput
from facebench.files import atomic_path
from facebench.sampler import Images, latents
from facebench.training import (
    Run,
    progress_bar,
    require_power_of_two,
    train_images,
    trainer_options,
)
from facebench_dcgan.gan import GAN
from facebench_dcgan.runtime import import_keras
from facebench_dcgan.sampler import MODEL_FILE, render

LOG_EVERY = 50
GRID_EVERY = 500
GRID_SEEDS = range(36)
POSITIVE = click.IntRange(min=1)


@click.command("dcgan", context_settings={"show_default": True})
@trainer_options
@click.option("--steps", default=6000, type=POSITIVE, metavar="INT", help="Training steps.")
@click.option("--batch-size", default=64, type=POSITIVE, metavar="INT", help="Images per step.")
@click.option(
    "--width",
    default=32,
    type=POSITIVE,
    metavar="CHANNELS",
    help="Channels at half the image's size; the paper's network has 128.",
)
@click.option(
    "--latent-dim", default=100, type=POSITIVE, metavar="INT", help="Size of the latent vector."
)
@click.option(
    "--label-noise",
    default=0.1,
    type=click.FloatRange(0, 0.5),
    metavar="FLOAT",
    help="The discriminator is asked for random answers within FLOAT of 1 for real images and of "
    "0 for generated ones, so that it never grows sure.",
)
@click.option(
    "--backend",
    default="tensorflow",
    type=click.Choice(["tensorflow", "torch"]),
    help="What Keras runs on; TensorFlow is the faster one on CPUs.",
)
def command(data: Path, out: Path, **options: Any) -> None:
    """Train a deep convolutional GAN with Keras (Radford et al. 2016).

    Images must be squares of a power of two, 16 pixels or more. The defaults take about a quarter
    of an hour for 64x64 pixels on two CPU cores.

    \b
    Example:
      facebench train dcgan --data faces64 --out runs/dcgan
      facebench train dcgan --data faces64 --out runs/wide --width 128 --steps 20000
    """
    dataset = train_images(data)
    require_power_of_two(dataset, "DCGAN")
    _start_keras(options["backend"])
    run = Run(out, "dcgan", MODEL_FILE, dataset, **options)
    if run.finished:
        click.echo(f"{run.model_path} is already trained with these options.")
        return
    train(run, dataset)
    click.echo(f"Generator: {run.model_path}\nSamples:   {run.folder / 'samples' / 'final.png'}")


def train(run: Run, dataset: Dataset) -> None:
    """Train as ``run.config`` says, and write its model file when all is done."""
    import keras

    config: dict[str, Any] = run.config
    keras.utils.set_random_seed(config["seed"])
    gan = GAN(config["size"], config["latent_dim"], config["width"])
    fixed = latents(GRID_SEEDS, config["latent_dim"])
    steps, started = config["steps"], time.monotonic()
    with progress_bar() as bar:
        task = bar.add_task("dcgan", total=steps, note="")
        for step, batch in enumerate(islice(batches(dataset.images, config), steps), 1):
            losses = gan.step(*batch)
            if step % LOG_EVERY == 0 or step == steps:
                d_loss, g_loss = _finite(losses, step)
                seconds = round(time.monotonic() - started, 2)
                run.log(step, d_loss=d_loss, g_loss=g_loss, seconds=seconds)
                bar.update(task, note=f"d {d_loss:.3f}  g {g_loss:.3f}")
            if step % GRID_EVERY == 0:
                run.save_grid(f"step-{step:06d}", render(gan.settle(), fixed))
            bar.advance(task)
    run.save_grid("final", render(gan.settle(), fixed))
    with atomic_path(run.model_path) as partial:
        gan.average.save(partial)


def batches(images: np.ndarray, config: dict[str, Any]) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield the arguments of :meth:`GAN.losses` without end, all drawn from the run's seed."""
    rng = np.random.default_rng(config["seed"])
    count, noise = config["batch_size"], config["label_noise"]
    while True:
        real = images[np.sort(rng.integers(len(images), size=count))]  # sorted: read in disk order
        real = np.where(rng.random((count, 1, 1, 1)) < 0.5, real, real[..., ::-1])  # mirrored
        z = rng.standard_normal((count, config["latent_dim"]), dtype=np.float32)
        unsure = rng.uniform(0, noise, (2, count, 1)).astype(np.float32)
        yield to_network(real), z, np.stack([1 - unsure[0], unsure[1]])


def to_network(images: Images) -> Float32[np.ndarray, "n h w 3"]:
    """Return the images as the networks see them: channels last, 0 to 255 mapped to [-1, 1]."""
    return images.transpose(0, 2, 3, 1).astype(np.float32) / 127.5 - 1


def _start_keras(backend: str) -> None:
    running = import_keras(backend).backend.backend()
    if running != backend:
        raise BadInput(f"This process runs Keras on {running}: train on {backend} in a new one.")


def _finite(losses: Iterable[Any], step: int) -> list[float]:
    from keras import ops

    values = [float(ops.convert_to_numpy(loss)) for loss in losses]
    if not all(map(math.isfinite, values)):
        raise BadInput(f"The losses are no longer finite at step {step}: try another --seed.")
    return values
