"""``facebench verify``: are the values that somebody submitted got again?"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facebench.cli.engine_options import again_options, opened
from facebench.cli.evaluate import say_time

if TYPE_CHECKING:
    from facebench.results.verdict import Verdict


@click.command()
@click.argument("submission", type=click.Path(path_type=Path), metavar="BUNDLE")
@click.option(
    "--models",
    required=True,
    metavar="NAME[=[ADAPTER[+OPTION=VALUE]:]PATH],...",
    help="The models that are said to have given the rows, each by its row's name; a name alone "
    "means runs/NAME.",
)
@click.option(
    "--reference",
    required=True,
    metavar="DIR",
    help="The real images that the rows were compared with.",
)
@click.option(
    "--out",
    default="verdicts",
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder for verdicts; a board finds those in its own folder verdicts.",
)
@click.option(
    "--extractor",
    metavar="NAME,...",
    help="The networks, where they are somebody's own: no code is taken from a bundle.  "
    "[default: the row's]",
)
@click.option("--face-model", metavar="NAME", help="What looks for faces, likewise.")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    metavar="INT",
    help="First redrawn seed, to go on with a verification that was interrupted. A board honours "
    "no verdict on seeds that somebody chose.  [default: by chance]",
)
@again_options
def verify(submission: Path, models: str, reference: str, out: Path, **options: Any) -> None:
    """Redraw somebody's rows, and say which values are reproduced.

    BUNDLE is what `facebench bundle` wrote, a results folder, or the file of one row. As many
    images are drawn from seeds that the submitter could not choose, and scored as the row was. A
    value is reproduced if it lies in the interval that the noise of both draws gives; a row, if
    all its values are, and its pictures are the model's. Exit code 0: all rows are reproduced; 1:
    one is not; 2: a row cannot be verified. docs/verify.md says what is caught, and how often.

    \b
    Examples:
      facebench verify theirs.facebench.zip --models dcgan --reference faces64
      facebench verify theirs.facebench.zip --models gan=torch:gan.pt --reference faces64
      facebench verify results --models vae,pca --reference faces64 --out results/verdicts
    """
    from facebench.bundles.verification import verify
    from facebench.cli.verdict_table import show

    verdicts: list[Verdict] = verify(
        submission,
        models,
        reference,
        out=out,
        announce=show,
        say_time=say_time,
        **opened(**options),
    )
    for verdict in verdicts:
        click.echo(out / f"{verdict.model}.json")
    if not all(verdict.reproduced for verdict in verdicts):
        sys.exit(1)
