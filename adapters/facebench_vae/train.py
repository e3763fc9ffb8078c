"""``facebench train vae``."""

from pathlib import Path
from typing import Any

import click

from facebench.training import Run, require_power_of_two, train_images, trainer_options
from facebench_vae.sampler import MODEL_FILE


@click.command("vae")
@trainer_options
@click.option(
    "--steps",
    default=5000,
    show_default=True,
    type=click.IntRange(min=1),
    metavar="INT",
    help="Training steps.",
)
@click.option(
    "--batch-size",
    default=64,
    show_default=True,
    type=click.IntRange(min=2),
    metavar="INT",
    help="Images per step.",
)
@click.option(
    "--width",
    default=32,
    show_default=True,
    type=click.IntRange(min=1),
    metavar="CHANNELS",
    help="Channels at half the image's size; they double with every halving, up to 8 times that.",
)
@click.option(
    "--latent-dim",
    default=64,
    show_default=True,
    type=click.IntRange(min=1),
    metavar="INT",
    help="Dimensions of the latent space; more of them take longer to become independent, which "
    "samples depend on.",
)
@click.option(
    "--sigma",
    default=1.0,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    metavar="FLOAT",
    help="Standard deviation of the likelihood, where pixels span [-1, 1]: a smaller one gives "
    "sharper reconstructions and less faithful samples.",
)
@click.option(
    "--lr",
    default=2e-3,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    metavar="FLOAT",
    help="Adam's first learning rate; it falls to 0 along a cosine.",
)
@click.option(
    "--device",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "cpu", "cuda"]),
    help="Where to train; auto takes a GPU if torch sees one.",
)
def command(data: Path, out: Path, device: str, **options: Any) -> None:
    """Train a convolutional variational autoencoder (Kingma & Welling 2014).

    Images must be squares of a power of two, 16 pixels or more. The defaults take about ten
    minutes for 64x64 pixels on two CPU cores. On a CPU the same seed gives the same weights.

    \b
    Example:
      facebench train vae --data faces64 --out runs/vae
      facebench train vae --data faces64 --out runs/wide --width 64 --steps 20000
    """
    dataset = train_images(data)
    require_power_of_two(dataset, "VAE")

    from facebench_vae.fit import choose_device, fit

    device = choose_device(device)
    run = Run(out, "vae", MODEL_FILE, dataset, **options)
    if run.finished:
        click.echo(f"{run.model_path} is already trained with these options.")
        return
    fit(run, dataset, dataset.split("holdout"), device)
    click.echo(f"Model:   {run.model_path}\nSamples: {run.folder / 'samples' / 'final.png'}")
