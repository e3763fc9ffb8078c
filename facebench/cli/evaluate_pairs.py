"""``facebench eval-pairs``: score translators against the true targets and draw the board."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facebench.cli.engine_options import (
    engine_options,
    extractor_option,
    faces_options,
    metrics_option,
    opened,
)
from facebench.cli.evaluate import announce, command_line, exit_as, say_failures, say_time
from facebench.cli.report import correction_option, training_faces_option, write_reports
from facebench.distributed.launch import processes_option

if TYPE_CHECKING:
    from facebench.metrics.multiplicity import Correction


@click.command("eval-pairs")
@click.option(
    "--models",
    required=True,
    metavar="NAME[=[ADAPTER[+OPTION=VALUE]:]PATH],...",
    help="Translators to score, or answers as pictures that have the sources' names; a name alone "
    "means runs/NAME.",
)
@click.option(
    "--pairs",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder with sources and targets, paired by name; of one that is split, the hold-out.",
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
    "--seeds-per-source",
    default=1,
    show_default=True,
    type=click.IntRange(1),
    metavar="ANSWERS",
    help="Answers to each source, each by another seed; of several there are diversity and "
    "calibration, too.",
)
@click.option(
    "--baselines",
    is_flag=True,
    help="Add rows that need no training: the source itself, enlarged by a bicubic filter where "
    "targets are larger, and the mean of the nearest training pairs' targets.",
)
@extractor_option
@faces_options
@training_faces_option
@correction_option
@metrics_option("all of answers and targets that there are, fid and kid")
@engine_options
@processes_option()
def evaluate_pairs(
    models: str,
    pairs: Path,
    out: Path,
    training_faces: bool,
    correction: "Correction",
    **options: Any,
) -> None:
    """Score image-to-image models against the true targets; draw the board.

    A translator is given every source and must answer in the targets' size. Values are means over
    the sources, intervals are by source, and models are compared source by source.

    \b
    Examples:
      facebench eval-pairs --models ours=torchscript:unet.pt --pairs faces64-x4 --baselines
      facebench eval-pairs --models theirs=images:their_answers --pairs faces64-x4
      facebench eval-pairs --models ours=onnx+range=sigmoid:net.onnx --pairs pairs --faces
      facebench eval-pairs --models ours=python:mine.py:translate --pairs pairs --seeds-per-source 5
    """
    from facebench.pairs.evaluate import evaluate_pairs

    evaluation = evaluate_pairs(
        models,
        pairs,
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
