"""``facebench eval``: score models against a reference and draw the board."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facebench.cli.engine_options import (
    engine_options,
    extractor_option,
    faces_options,
    metrics_option,
    mode_option,
    opened,
)
from facebench.cli.report import correction_option, training_faces_option, write_reports
from facebench.distributed.launch import processes_option
from facebench.errors import BadInput
from facebench.metrics.table import metric
from facebench.results.result import Result

if TYPE_CHECKING:
    from facebench.engine import Evaluation
    from facebench.metrics.multiplicity import Correction


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
    metavar="DIR",
    help="What to compare with: a prepared data set, pictures in any form that is read, or a "
    "model.",
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
@extractor_option
@faces_options
@training_faces_option
@correction_option
@metrics_option("all that the extractor serves but density, vendi, is, authenticity, ct and ppl")
@mode_option
@click.option(
    "--sanity",
    is_flag=True,
    help="Add rows of training images in disguise (a copycat, blur, noise, JPEG, the mean face, "
    "ten faces repeated), whose place is known beforehand.",
)
@click.option(
    "--split",
    type=click.Choice(["train", "holdout", "all"]),
    help="Images of a prepared data set to compare with.  [default: holdout]",
)
@engine_options
@processes_option()
def evaluate(
    models: str,
    reference: str,
    out: Path,
    training_faces: bool,
    correction: "Correction",
    **options: Any,
) -> None:
    """Score models against a data set; draw the board.

    Every model runs in a process of its own. Features are kept, so a run that was stopped goes on
    where it was, and adding a model or a metric computes only what is missing. For two folders of
    pictures and one answer, see `facebench score`.

    \b
    Examples:
      facebench eval --models dcgan,vae,pca --reference faces64 --num 1000
      facebench eval --models theirs=images:their_samples.zip --reference faces64
      facebench eval --models theirs=images:their_samples --reference photographs --num 1000
      facebench eval --models gan=torchscript+latent=uniform+size=100:gan.pt --reference faces64
      facebench eval --models mine=vae:runs/vae-large --reference faces64 --metrics fid,kid
      facebench eval --models dcgan --reference faces64 --num 1000 --sanity
      facebench eval --models dcgan,vae --reference faces64 --faces
      facebench eval --models dcgan --reference faces64 --mode pytorch-fid
      facebench eval --models dcgan,vae --reference faces64 --num 50000 --processes 4
    Offline:
      facebench eval --models pca --reference faces64 --extractor portrait
      facebench eval --models pca --reference faces64 --weights inception=weights.pth
    """
    from facebench.engine import evaluate

    evaluation = evaluate(
        models,
        reference,
        out=out,
        command=command_line(),
        announce=announce,
        say_time=say_time,
        **opened(**options),
    )
    say_failures(evaluation)
    if evaluation.results:
        write_reports(out, training_faces=training_faces, correction=correction)
    exit_as(evaluation)


def command_line() -> str:
    """Return what was typed, to be recorded in Results."""
    return shlex.join(["facebench", *sys.argv[1:]])


def say_time(line: str) -> None:
    """Say about how long it takes."""
    click.echo(line, err=True)


def say_failures(evaluation: "Evaluation") -> None:
    """Say which rows and which metrics failed, and why."""
    for name, error in evaluation.failures.items():
        click.echo(f"Error: {name}: {error}", err=True)
    for result in evaluation.results:
        for key, why in result.failed.items():
            click.echo(f"Error: {result.model}: {key} could not be computed: {why}", err=True)


def exit_as(evaluation: "Evaluation") -> None:
    """Exit with 2 for bad input, 1 for another failure; return where there was none."""
    failures = evaluation.failures.values()
    if failures:
        sys.exit(2 if any(isinstance(error, BadInput) for error in failures) else 1)
    if any(result.failed for result in evaluation.results):
        sys.exit(1)


def announce(result: Result) -> None:
    """Say what a row scored, as soon as it is known."""
    shown = {key: value for key, value in result.metrics.items() if not metric(key).is_of_many}
    values = "  ".join(f"{key} {value.value:.4g}" for key, value in shown.items())
    click.echo(f"{result.model}: {values}", err=True)
