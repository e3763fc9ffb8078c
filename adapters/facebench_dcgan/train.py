"""``facebench train dcgan``."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from facebench.distributed.launch import processes_option
from facebench.distributed.torchrun import world_size
from facebench.errors import BadInput
from facebench.options import POSITIVE, FiniteRange, choice, number, option_group
from facebench.training.data import require_power_of_two, train_images
from facebench.training.loop import fit
from facebench.training.options import Plan, plan_options, steps_option, trainer_options
from facebench.training.parallel import choose_device, join_group
from facebench.training.run import Run
from facebench_dcgan import notebook_preset
from facebench_dcgan.relativistic import default_gamma
from facebench_dcgan.sampler import MODEL_FILE
from facebench_keras.runtime import start_keras

if TYPE_CHECKING:
    from facebench_dcgan.learner import DCGANLearner

Options = dict[str, Any]
_FREE = {*notebook_preset.PRESET, "minutes", "preset", "seed", "backend"}
"""What may be given beside ``--preset notebook``."""
LABEL_NOISE = 0.1
LR, RESIDUAL_LR = 2e-4, 1e-3
BATCH, RESIDUAL_BATCH = 64, 16
FLAGS = {
    "spectral-norm": "Bound the discriminator's layers by their spectral norm instead of "
    "normalising batches (Miyato et al. 2018).",
    "diffaugment": "Change colours, shift and cut out before the discriminator looks, alike for "
    "real and generated images (Zhao et al. 2020): for small data sets.",
    "attention": "Add self-attention at a quarter of the size (Zhang et al. 2019).",
    "progressive": "Grow both networks from 4x4 pixels (Karras et al. 2018), by the share of "
    "--steps that is taken: with other --steps the run begins anew.",
    "mixed-precision": "Compute in bfloat16, keep weights in float32: for GPUs, and for CPUs with "
    "AMX, where it trains 1.3 times as fast.",
    "jit-compile": "Compile the step by XLA (TensorFlow only): for GPUs; slower on CPUs.",
}


@click.command("dcgan", context_settings={"show_default": True})
@trainer_options
@choice(
    "--preset",
    ["default", "residual", "notebook"],
    "residual: R3GAN's networks in small, which --loss r3 takes unless another is named: the plain "
    "ones of default did not learn by it. "
    "notebook: the network, losses and settings of the notebook that facebench grew from "
    "(10,000 CelebA pictures at --crop celeba --size 128; a GPU is advisable).",
    show_default="default, with --loss r3 residual",
)
@steps_option(10000)
@number(
    "--batch-size",
    None,
    "Images per step.",
    show_default=f"{BATCH}, of --preset residual {RESIDUAL_BATCH}",
)
@number(
    "--width",
    32,
    "Channels at half the image's size; the paper's network has 128.",
    metavar="CHANNELS",
)
@number("--latent-dim", 100, "Size of the latent vector.")
@number(
    "--lr",
    None,
    "Learning rate of both networks; that of r3 falls to a quarter over the first half of --steps.",
    POSITIVE,
    show_default=f"{LR:g}, of --preset residual {RESIDUAL_LR:g}",
)
@choice(
    "--loss",
    ["nonsaturating", "hinge", "wgan-gp", "r3"],
    "What the networks play for. r3: each real image is held against a generated one, and the "
    "discriminator's slopes at both are penalised, without any normalisation (R3GAN: Huang et al. "
    "2024).",
)
@number(
    "--gamma",
    None,
    "Weight of r3's penalties; it falls to a tenth over the first half of --steps.",
    POSITIVE,
    show_default="with r3, 2 at 64x64 and as the cube of the size",
)
@number(
    "--label-noise",
    None,
    "The discriminator is asked for random answers within FLOAT of 1 for real images and of "
    "0 for generated ones, so that it never grows sure.",
    FiniteRange(0, 0.5),
    show_default=f"{LABEL_NOISE} with nonsaturating, else 0",
)
@number(
    "--smoothing",
    0.0,
    "It is asked for answers smaller by FLOAT for real images alone (Salimans et al. 2016).",
    FiniteRange(0, 0.5),
)
@number(
    "--ema",
    0.999,
    "Decay of the moving average of the generator's weights, which is kept; 0 keeps the "
    "weights themselves.",
    FiniteRange(0, 1, max_open=True),
)
@option_group(*(click.option(f"--{name}", is_flag=True, help=FLAGS[name]) for name in FLAGS))
@choice(
    "--backend",
    ["tensorflow", "torch"],
    "What Keras runs on; TensorFlow is the faster one on CPUs.",
)
@plan_options()
@processes_option()
def command(data: Path, out: Path, plan: Plan, **options: Any) -> None:
    """Train a deep convolutional GAN with Keras (Radford et al. 2016).

    Images must be squares of a power of two, 16 pixels or more. The defaults take about 40
    minutes for 64x64 pixels on two CPU cores. With --processes, or under torchrun, the processes
    share each batch and the first one writes.

    \b
    Examples:
      facebench train dcgan --data faces64 --out runs/dcgan
      facebench train dcgan --data faces64 --out runs/wide --width 128 --steps 20000 --diffaugment
      facebench train dcgan --data faces64 --out runs/r3 --loss r3 --minutes 40
      facebench train dcgan --data faces128 --out runs/notebook --preset notebook
      facebench train dcgan --data faces64 --out runs/dcgan4 --processes 4
    """
    dataset = train_images(data)
    require_power_of_two(dataset, "DCGAN")
    options, plan = _settled(click.get_current_context(), options, plan, dataset.size)
    backend = options["backend"]
    if (running := start_keras(backend).backend.backend()) != backend:
        raise BadInput(f"This process runs Keras on {running}: train on {backend} in a new one.")
    asked = {name: value for name, value in options.items() if value is not None}
    run = Run(out, "dcgan", MODEL_FILE, dataset, **asked)
    if run.is_already_trained(plan):
        return
    if run.resized and options["progressive"] and plan.resume:
        click.echo("Networks grow by the number of steps, which is another: beginning anew.")
        plan = replace(plan, resume=False)
    from facebench_dcgan.learner import DCGANLearner

    # TensorFlow's processes average gradients by its own means, whatever the device.
    device = "cpu" if backend == "tensorflow" else choose_device()
    group = join_group(device, options["batch_size"])
    learner = DCGANLearner(run.config, run.images, group)
    fit(run, learner, plan, group, **_hooks(run, learner))


def _hooks(run: Run, learner: "DCGANLearner") -> dict[str, Callable[..., None]]:
    """Return what the notebook does whenever it logs, and at the end."""
    if run.config["preset"] != "notebook":
        return {}

    def tell(step: int, losses: Any, seconds: float) -> None:
        learner.save_notebook_weights(run.folder)
        d_loss, a_loss = losses["d_loss"], losses["g_loss"]
        click.echo(
            f"{step}/{learner.steps}: d_loss: {d_loss:.4f},  a_loss: {a_loss:.4f}  "
            f"({seconds:.1f} sec)"
        )

    return {"after_log": tell, "finish": lambda: learner.save_notebook_weights(run.folder)}


def _settled(
    context: click.Context, options: Options, plan: Plan, size: int
) -> tuple[Options, Plan]:
    """Fill in what depends on other options, and refuse what does not go together."""
    if world_size() > 1 and (options["preset"] == "notebook" or options["jit_compile"]):
        raise BadInput(
            "Under torchrun the DCGAN trains without --preset notebook and --jit-compile: leave "
            "them out, or --processes."
        )
    if options["progressive"] and options["minutes"]:
        raise BadInput("Networks grow by the number of steps: give --steps without --minutes.")
    if options["preset"] == "notebook":
        return _notebook(context, options, plan)
    if options["loss"] == "r3" and not _is_given(context, "preset"):
        options["preset"] = "residual"
    _settle_r3(options, size)
    cross_entropy = options["loss"] == "nonsaturating"
    if not cross_entropy and (options["label_noise"] or options["smoothing"]):
        raise BadInput(
            f"--loss {options['loss']} has no labels to change: leave out --label-noise and "
            "--smoothing."
        )
    if options["label_noise"] is None:
        options["label_noise"] = LABEL_NOISE if cross_entropy else 0.0
    if options["jit_compile"] and options["backend"] != "tensorflow":
        raise BadInput("--jit-compile is TensorFlow's: leave it out on other backends.")
    return options, plan


def _settle_r3(options: Options, size: int) -> None:
    """Fill in the rates, and refuse what does not go with R3GAN's loss or networks."""
    if options["loss"] == "r3":
        options["gamma"] = options["gamma"] or default_gamma(size)
        _refuse(options, "--loss r3", ["spectral_norm", "progressive"])
    elif options["preset"] == "residual":
        raise BadInput("--preset residual normalises nothing, which takes --loss r3: add that.")
    elif options["gamma"]:
        raise BadInput("--gamma weighs the penalties of --loss r3: add that, or leave it out.")
    if options["preset"] == "residual":
        options["lr"] = options["lr"] or RESIDUAL_LR
        options["batch_size"] = options["batch_size"] or RESIDUAL_BATCH
        _refuse(options, "--preset residual (that of --loss r3)", ["attention"])
    options["lr"] = options["lr"] or LR
    options["batch_size"] = options["batch_size"] or BATCH


def _refuse(options: Options, chosen: str, names: list[str]) -> None:
    for name in names:
        if options[name]:
            flag = f"--{name.replace('_', '-')}"
            raise BadInput(f"{flag} does not go with {chosen}: leave out one of them.")


def _is_given(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is ParameterSource.COMMANDLINE


def _notebook(context: click.Context, options: Options, plan: Plan) -> tuple[Options, Plan]:
    """Fill in what the notebook had, and refuse what would change it."""
    given = {name for name in context.params if _is_given(context, name)}
    if fixed := (given & options.keys()) - _FREE:
        raise BadInput(f"--preset notebook is fixed: leave out --{min(fixed).replace('_', '-')}.")
    preset = {name: value for name, value in notebook_preset.PRESET.items() if name not in given}
    watched = {name: preset.pop(name) for name in ("log_every", "grid_every") if name in preset}
    network = {"label_noise": notebook_preset.LABEL_NOISE, "loss": "notebook", "ema": 0.0}
    return options | preset | network, replace(plan, **watched)
