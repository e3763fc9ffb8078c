"""``facebench score``: two folders, one command."""

import json
import sys
from contextlib import redirect_stdout
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
from facebench.cli.evaluate import command_line, exit_as, say_failures, say_time
from facebench.cli.report import correction_option, training_faces_option, write_reports
from facebench.distributed.launch import processes_option

if TYPE_CHECKING:
    from facebench.metrics.multiplicity import Correction


@click.command()
@click.argument("real", metavar="REAL")
@click.argument("fakes", metavar="FAKE...", nargs=-1, required=True)
@click.option(
    "--num",
    type=click.IntRange(2),
    metavar="IMAGES",
    help="Images of each FAKE, a random sample.  [default: all; of a model, as many as REAL]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Draw the board, too, into this folder.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
@extractor_option
@faces_options
@training_faces_option
@correction_option
@metrics_option(
    "fid, mind, cmmd, kid, clipped_density, precision, clipped_coverage, coverage, recall; fdr of "
    "several networks, fid_class of labels"
)
@mode_option
@engine_options
@processes_option()
def score(
    real: str,
    fakes: tuple[str, ...],
    num: int | None,
    out: Path | None,
    as_json: bool,
    training_faces: bool,
    correction: "Correction",
    **options: Any,
) -> None:
    """Score one set of images, or several, against real ones, all as they are.

    REAL and FAKE are whatever can be opened: a folder, a zip or a tar of pictures, an array, a
    prepared data set, a run, a model as ADAPTER:PATH. Nothing is prepared, nothing is held out,
    and pictures keep their sizes: the network resizes them. NAME=FAKE gives a row its name.

    \b
    Examples:
      facebench score photographs samples
      facebench score photographs samples --mode clean-fid
      facebench score photographs ours=samples theirs=their_samples.npz --metrics fid,kid
      facebench score faces64 runs/vae --num 1000 --out scores
      facebench score photographs samples --faces
      facebench score photographs samples --json > scores.json
    """
    from facebench.cli.score_table import notes, show
    from facebench.engine.score import as_scores, evaluate_sets

    with redirect_stdout(sys.stderr):  # what the user's own code prints is no part of the answer
        evaluation = evaluate_sets(
            real,
            list(fakes),
            num=num,
            out=out,
            command=command_line(),
            say_time=say_time,
            **opened(**options),
        )
    say_failures(evaluation)
    if found := evaluation.results:
        if out:
            _draw_board(out, training_faces, correction)
        if as_json:
            for line in notes(found):
                click.echo(line, err=True)
            scores = as_scores(found)
            click.echo(json.dumps(scores, indent=2, ensure_ascii=False, allow_nan=False))
        else:
            show(found)
    exit_as(evaluation)


def _draw_board(out: Path, training_faces: bool, correction: "Correction") -> None:
    """Draw all forms of the board but the terminal's, which is for the numbers alone."""
    from facebench.plugins import registry

    names = [name for name in registry.names("reporters") if name != "terminal"]
    with redirect_stdout(sys.stderr):
        write_reports(out, names=names, training_faces=training_faces, correction=correction)
