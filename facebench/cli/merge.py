"""``facebench merge``: one board of many people's rows."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from facebench.cli.report import correction_option, training_faces_option, write_reports
from facebench.text import in_one_line

if TYPE_CHECKING:
    from facebench.metrics.multiplicity import Correction


@click.command()
@click.argument(
    "sources",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
    metavar="BUNDLE|RESULTS|VERDICT...",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="BOARD",
    help="The folder of the board; rows that it holds stay.",
)
@click.option(
    "--strict",
    is_flag=True,
    help="Refuse rows of unlike protocols, and rows that no test can be made of, instead of saying "
    "so.",
)
@training_faces_option
@correction_option
def merge(
    sources: tuple[Path, ...],
    out: Path,
    strict: bool,
    training_faces: bool,
    correction: "Correction",
) -> None:
    """Draw one board of many people's rows.

    Of bundles (facebench bundle) and results folders. Differences between strangers' rows are
    tested like those of one evaluation where protocol and real images are the same; rows of unlike
    protocols stand in tables of their own. The same row twice is one, another row of the same name
    takes the name of its bundle. Edited values, and real images that are not those that a row
    names, are refused. A verdict (facebench verify) is put beside the row that it is about.

    \b
    Examples:
      facebench merge ours.facebench.zip theirs.facebench.zip --out board
      facebench merge theirs.facebench.zip results --out board --strict
      facebench merge verdicts/theirs.json --out board
    """
    from facebench.bundles.merge import merge

    board = merge(sources, out, strict=strict)
    for sentence in board.said:
        click.echo(f"Note: {in_one_line(sentence)}.", err=True)
    write_reports(out, training_faces=training_faces, correction=correction)
