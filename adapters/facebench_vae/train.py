"""``facebench train vae``."""

from pathlib import Path
from typing import Any

import click

from facebench.distributed.launch import processes_option
from facebench.options import POSITIVE, FiniteRange, choice, number
from facebench.training.data import require_power_of_two, train_images
from facebench.training.loop import fit
from facebench.training.options import Plan, plan_options, steps_option, trainer_options
from facebench.training.parallel import choose_device, join_group
from facebench.training.run import Run
from facebench_vae.sampler import MODEL_FILE


@click.command("vae")
@trainer_options
@steps_option(10000)
@number("--batch-size", 64, "Images per step.", click.IntRange(2))
@number(
    "--width",
    32,
    "Channels at half the image's size; they double with every halving, up to 8 times that.",
    metavar="CHANNELS",
)
@number(
    "--latent-dim",
    64,
    "Dimensions of the latent space; more of them take longer to become independent, which "
    "samples depend on.",
)
@number(
    "--sigma",
    1.0,
    "Standard deviation of the likelihood, where pixels span [-1, 1]: a smaller one gives "
    "sharper reconstructions and less faithful samples.",
    POSITIVE,
)
@choice(
    "--likelihood",
    ["gaussian", "logistic"],
    "What a pixel is given its mean: a Gaussian density, or a logistic over its 256 levels "
    "(Salimans et al. 2017).",
)
@number(
    "--beta",
    1.0,
    "Weight of the KL in what is maximised (Higgins et al. 2017); the ELBO that is told has "
    "weight 1.",
    FiniteRange(min=0),
)
@number(
    "--kl-warmup",
    0,
    "Raise that weight from 0 over so many steps (Bowman et al. 2016).",
    click.IntRange(0),
    metavar="STEPS",
)
@choice(
    "--prior",
    ["standard", "fitted"],
    "What samples are drawn from: the standard normal, or the Gaussian of the training "
    "images' codes, fitted at the end (Ghosh et al. 2020).",
)
@number(
    "--ema",
    0.999,
    "Decay of the moving average of the weights, which is kept; 0 keeps the weights themselves.",
    FiniteRange(0, 1, max_open=True),
)
@number(
    "--lr",
    2e-3,
    "Adam's first learning rate; it falls to 0 along a cosine over --steps. A run that goes "
    "on with other --steps goes on along their cosine.",
    POSITIVE,
)
@choice("--device", ["auto", "cpu", "cuda"], "Where to train; auto takes a GPU if torch sees one.")
@click.option(
    "--mixed-precision",
    is_flag=True,
    help="Compute in bfloat16, keep weights in float32: for GPUs, and for CPUs with AMX, where it "
    "trains 1.6 times as fast.",
)
@click.option("--compile", is_flag=True, help="Compile the network by torch.compile.")
@plan_options()
@processes_option()
def command(data: Path, out: Path, device: str, plan: Plan, **options: Any) -> None:
    """Train a convolutional variational autoencoder (Kingma & Welling 2014).

    Images must be squares of a power of two, 16 pixels or more. The defaults take about 20
    minutes for 64x64 pixels on two CPU cores. On a CPU the same seed gives the same weights. With
    --processes, or under torchrun, the processes share each batch and the first one writes.

    \b
    Examples:
      facebench train vae --data faces64 --out runs/vae
      facebench train vae --data faces64 --out runs/wide --width 64 --steps 20000
      facebench train vae --data faces64 --out runs/vae4 --processes 4
    """
    dataset = train_images(data)
    require_power_of_two(dataset, "VAE")
    device = choose_device(device)
    group = join_group(device, options["batch_size"])
    run = Run(out, "vae", MODEL_FILE, dataset, **options)
    if run.is_already_trained(plan):
        return
    from facebench_vae.fit import finish
    from facebench_vae.learner import VAELearner

    learner = VAELearner(run.config, run.images, device, group)
    fit(run, learner, plan, group, finish=lambda: finish(run, learner))
