"""``facebench eval``: score models against a reference and draw the board."""

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from facebench.distributed.launch import processes_option
from facebench.errors import BadInput
from facebench.metrics.modes import DEFAULT, MODES
from facebench.metrics.table import METRICS
from facebench.options import limit_options, seed_option
from facebench.progress import bar
from facebench.results.result import Result


def _weight_files(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, Path]:
    pairs = [value.partition("=") for value in values]
    for name, equals, path in pairs:
        if not (name and equals and path):
            raise click.BadParameter("give NAME=FILE, e.g. inception=weights.pth")
    return {name: Path(path) for name, _, path in pairs}


@click.command("eval")
@click.option(
    "--models",
    required=True,
    metavar="NAME[=[ADAPTER[+OPTION=VALUE]:]PATH],...",
    help="Models to score; a name alone means runs/NAME. `facebench adapters` lists adapters.",
)
@click.option(
    "--reference",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Prepared data set to compare with.",
)
@click.option(
    "--num",
    type=click.IntRange(2),
    metavar="IMAGES",
    help="Images drawn from each model.  [default: as many as the reference has]",
)
@click.option(
    "--out",
    default="results",
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder for results and board; an existing one is added to.",
)
@click.option(
    "--extractor",
    default="inception",
    show_default=True,
    metavar="NAME[@LAYER]",
    help="Network whose features are compared: inception, random (needs no download), "
    "one of torch-fidelity's (vgg16, clip-vit-b-32, dinov2-vit-l-14, ...), "
    "or your own as MODULE:FUNCTION or FILE.py:FUNCTION.",
)
@click.option(
    "--metrics",
    metavar="KEY,...",
    help=f"Any of {', '.join(METRICS)}.  [default: all that the extractor serves]",
)
@click.option(
    "--mode",
    default=DEFAULT,
    show_default=True,
    type=click.Choice(list(MODES)),
    help="Whose definitions to follow, where another tool's number must be met.",
)
@click.option(
    "--sanity",
    is_flag=True,
    help="Add rows of training images in disguise (a copycat, blur, noise, JPEG, the mean face, "
    "ten faces repeated), whose place is known beforehand.",
)
@click.option(
    "--split",
    default="holdout",
    show_default=True,
    type=click.Choice(["train", "holdout", "all"]),
    help="Images of the reference to compare with.",
)
@seed_option("Seed of the first image.")
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    metavar="IMAGES",
    help="Images at a time; no score depends on it.  [default: by the memory there is]",
)
@click.option(
    "--precision",
    default="fp32",
    show_default=True,
    type=click.Choice(["fp32", "tf32", "bf16"]),
    help="The network's arithmetic: fp32 is exact; tf32 (GPUs only) and bf16 are faster, and their "
    "results are ranked apart.",
)
@click.option(
    "--compile/--no-compile",
    "compiled",
    default=None,
    help="Compile Inception first, which takes up to some minutes.  "
    "[default: from 50,000 images a model, 10,000 in bf16]",
)
@click.option(
    "--weights",
    multiple=True,
    callback=_weight_files,
    metavar="NAME=FILE",
    help="Take a network's weights (inception, alexnet, vgg16) from a file; may be repeated.",
)
@click.option(
    "--trust-weights",
    is_flag=True,
    help="Accept weight files whose digest is not the known one, and torch-fidelity's own loading "
    "of networks that facebench has no digest for (DINOv2's runs code of its repository).",
)
@click.option("--offline", is_flag=True, help="Download nothing: refuse where weights are missing.")
@limit_options
@click.option("--device", metavar="DEVICE", help="Torch device.  [default: a GPU if there is one]")
@processes_option()
def evaluate(
    models: str,
    metrics: str | None,
    weights: dict[str, Path],
    trust_weights: bool,
    offline: bool,
    time_limit: float,
    memory_limit: float | None,
    sampler_threads: int | None,
    out: Path,
    **options: Any,
) -> None:
    """Score models against a data set; draw the board.

    Every model runs in a process of its own. Features are kept, so a run that was stopped goes on
    where it was, and adding a model or a metric computes only what is missing.

    \b
    Examples:
      facebench eval --models dcgan,vae,pca --reference faces64 --num 1000
      facebench eval --models theirs=images:their_samples.zip --reference faces64
      facebench eval --models gan=torchscript+latent=uniform+size=100:gan.pt --reference faces64
      facebench eval --models mine=vae:runs/vae-large --reference faces64 --metrics fid,kid
      facebench eval --models dcgan --reference faces64 --num 1000 --sanity
      facebench eval --models dcgan --reference faces64 --mode pytorch-fid
      facebench eval --models dcgan,vae --reference faces64 --num 50000 --processes 4
    Offline:
      facebench eval --models pca --reference faces64 --extractor random
      facebench eval --models pca --reference faces64 --weights inception=weights.pth
    """
    from facebench.engine import evaluate
    from facebench.sandbox.limits import limits_of
    from facebench.weights import WeightSource

    evaluation = evaluate(
        models,
        out=out,
        metrics=metrics,
        weights=WeightSource(weights, trust_weights, track=bar, offline=offline),
        limits=limits_of(time_limit, memory_limit, sampler_threads),
        command=shlex.join(["facebench", *sys.argv[1:]]),
        track=bar,
        announce=_announce,
        **options,
    )
    for name, error in evaluation.failures.items():
        click.echo(f"Error: {name}: {error}", err=True)
    failed = [(r.model, *failure) for r in evaluation.results for failure in r.failed.items()]
    for name, key, why in failed:
        click.echo(f"Error: {name}: {key} could not be computed: {why}", err=True)
    if evaluation.results:
        from facebench.cli.report import write_reports

        write_reports(out)
    if evaluation.failures:
        bad_input = any(isinstance(e, BadInput) for e in evaluation.failures.values())
        sys.exit(2 if bad_input else 1)
    if failed:
        sys.exit(1)


def _announce(result: Result) -> None:
    values = "  ".join(f"{key} {value.value:.4g}" for key, value in result.metrics.items())
    click.echo(f"{result.model}: {values}", err=True)
