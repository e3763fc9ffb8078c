"""``facebench train pix2pix``."""

from pathlib import Path
from typing import Any

import click

from facebench.distributed.launch import processes_option
from facebench.options import POSITIVE, FiniteRange, choice, number
from facebench.training.data import hold_back
from facebench.training.loop import fit
from facebench.training.options import Plan, data_options, plan_options, steps_option
from facebench.training.parallel import choose_device, join_group
from facebench.training.recorder import mean_absolute_error
from facebench.training.run import Run
from facebench_pix2pix.translator import MODEL_FILE

_WHOSE = {
    "held_back": "Held-back answers",
    "learnt": "Answers to the sources that were learnt, for of so few none is held back,",
}
_SHARE = FiniteRange(0, 1, max_open=True)


@click.command("pix2pix")
@data_options("Folder of pairs")
@steps_option(10000)
@number("--batch-size", 16, "Pairs per step.", click.IntRange(2))
@number(
    "--width",
    32,
    "Channels at half the image's size; they double with every halving, up to 8 times that.",
    click.IntRange(1, 128),
    metavar="CHANNELS",
)
@number(
    "--l1",
    100.0,
    "Weight of the mean absolute error beside the discriminator's judgement, which has 1.",
    FiniteRange(min=0),
)
@number(
    "--dropout",
    0.5,
    "Share of the innermost features that is dropped in training. Answers drop none, unless they "
    "are asked for by NAME=pix2pix+noise=on:RUN.",
    _SHARE,
)
@number(
    "--jitter",
    0.06,
    "Shift pairs at random, by up to this part of their height; they are mirrored, too.",
    _SHARE,
)
@number(
    "--lr",
    5e-4,
    "Adam's learning rate (the paper's is 2e-4, for batches of one); it falls to 0 over the second "
    "half of --steps. A run that goes on with other --steps goes on along theirs.",
    POSITIVE,
)
@choice("--device", ["auto", "cpu", "cuda"], "Where to train; auto takes a GPU if torch sees one.")
@click.option(
    "--mixed-precision",
    is_flag=True,
    help="Compute in bfloat16, keep weights in float32: for GPUs, and for CPUs with AMX.",
)
@click.option("--compile", is_flag=True, help="Compile the networks by torch.compile.")
@plan_options(
    shown="pictures: source, answer and target of 12 pairs held back", evaluate="eval-pairs"
)
@processes_option()
def command(data: Path, out: Path, device: str, plan: Plan, **options: Any) -> None:
    """Train a U-Net that answers a source image with its target (pix2pix, Isola et al. 2017).

    DIR is a folder of pairs, as facebench data pairs makes it or of your own: train/sources and
    train/targets, or sources and targets alone, by the same names. Targets must be squares of a
    power of two, 16 pixels or more; smaller sources are enlarged. It learns to be near the target
    (mean absolute error) and to be taken for one, patch by patch, by a discriminator that sees the
    source, too. A checkpoint's score is the mean absolute error of pairs that are held back, in
    grey levels. On a CPU the same seed gives the same weights. With --processes, or under torchrun,
    the processes share each batch and the first one writes.

    \b
    Examples:
      facebench train pix2pix --data faces64-x4 --out runs/x4
      facebench train pix2pix --data faces64-painted --out runs/painted --minutes 10
      facebench train pix2pix --data faces64-clean --out runs/clean --dropout 0 --l1 10
    """
    from facebench.pairs.pair_set import open_pairs
    from facebench_pix2pix.model import SIZES
    from facebench_pix2pix.pairs import PairRows, targets_of

    pairs = open_pairs(data, "train")
    dataset = targets_of(pairs, SIZES)
    device = choose_device(device)
    options["source_size"] = pairs.sources.shape[-1]
    group = join_group(device, options["batch_size"])
    run = Run(out, "pix2pix", MODEL_FILE, dataset, **options)
    if run.is_already_trained(plan):
        return
    from facebench_pix2pix.learner import Pix2PixLearner

    sources, scored_sources = hold_back(pairs.sources, run.config["seed"])
    learnt, scored = PairRows(sources, run.images), PairRows(scored_sources, run.scored)
    learner = Pix2PixLearner(run.config, learnt, scored, device, group)

    def finish() -> None:
        """Say how far the answers are off, and how far the sources are."""
        targets, given = scored.targets[:], learner.enlarged(scored.sources[:])
        error, before = (mean_absolute_error(targets, each) for each in (learner.answers(), given))
        which = "held_back" if run.config["held_back"] else "learnt"
        run.log(learner.steps, **{f"{which}_error": error}, sources_error=before)
        click.echo(
            f"{_WHOSE[which]} are {error:.2f} grey levels off on average; their sources, "
            f"enlarged where they are smaller, {before:.2f}."
        )

    fit(run, learner, plan, group, finish=finish)
