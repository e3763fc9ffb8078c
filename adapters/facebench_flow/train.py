"""``facebench train flow``."""

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
from facebench_flow.sampler import MODEL_FILE

BATCHES = {"small": 16, "large": 64}
"""On a CPU a small network learns more in the same time by more steps of fewer images."""


@click.command("flow")
@trainer_options
@steps_option(20000)
@number(
    "--batch-size",
    None,
    "Images per step.",
    show_default=", ".join(f"{size} of the {name} network" for name, size in BATCHES.items()),
)
@choice(
    "--network",
    list(BATCHES),
    "A U-Net of 2.4 million weights, for CPUs, or of 17 million, for GPUs.",
)
@number(
    "--lr",
    1e-3,
    "Adam's first learning rate; it falls to 0 along a cosine over --steps. A run that goes "
    "on with other --steps goes on along their cosine.",
    POSITIVE,
)
@number(
    "--ema",
    0.999,
    "Decay of the moving average of the weights, which is kept; 0 keeps the weights themselves.",
    FiniteRange(0, 1, max_open=True),
)
@choice("--solver", ["heun", "euler"], "How samples move; Heun's steps are two of Euler's.")
@number(
    "--solver-steps", 10, "Steps of the solver from noise to an image.", click.IntRange(1, 1000)
)
@choice("--device", ["auto", "cpu", "cuda"], "Where to train; auto takes a GPU if torch sees one.")
@click.option(
    "--mixed-precision",
    is_flag=True,
    help="Compute in bfloat16, keep weights in float32: for GPUs.",
)
@click.option("--compile", is_flag=True, help="Compile the network by torch.compile.")
@plan_options(grid_every=1000, checkpoint_every=1000)
@processes_option()
def command(data: Path, out: Path, device: str, plan: Plan, **options: Any) -> None:
    """Train a flow, a kin of diffusion models, by flow matching (Lipman et al. 2023).

    Images must be squares of a power of two, 16 pixels or more. On a CPU the same seed gives the
    same weights. With --processes, or under torchrun, the processes share each batch and the first
    one writes.

    \b
    Examples:
      facebench train flow --data faces64 --out runs/flow --minutes 60
      facebench train flow --data faces64 --out runs/large --network large --batch-size 256
      facebench train flow --data faces64 --out runs/flow4 --processes 4
    """
    dataset = train_images(data)
    require_power_of_two(dataset, "U-Net")
    device = choose_device(device)
    options["batch_size"] = options["batch_size"] or BATCHES[options["network"]]
    group = join_group(device, options["batch_size"])
    run = Run(out, "flow", MODEL_FILE, dataset, **options)
    if run.is_already_trained(plan):
        return
    from facebench_flow.fit import finish
    from facebench_flow.learner import FlowLearner

    learner = FlowLearner(run.config, run.images, device, group)
    fit(run, learner, plan, group, finish=lambda: finish(run, learner))
