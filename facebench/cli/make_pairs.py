"""``facebench data pairs``."""

from pathlib import Path
from typing import Any

import click

from facebench.options import FiniteRange, number, seed_option
from facebench.pairs.tasks import NOISIEST, TASKS
from facebench.progress import bar
from facebench.text import printable

_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.option(
    "--data", type=_FOLDER, required=True, metavar="DIR", help="Prepared data set of faces."
)
@click.option("--task", type=click.Choice([*TASKS]), required=True, help="What is to be done.")
@click.option("--out", type=_FOLDER, required=True, metavar="DIR", help="Folder of pairs to make.")
@number(
    "--factor",
    None,
    "super-resolution: how many times smaller a source is.  [default: 4]",
    click.IntRange(2),
)
@click.option(
    "--place",
    type=click.Choice(["centre", "random"]),
    help="inpainting: where the box is, in the centre or anywhere.  [default: centre]",
)
@number(
    "--sigma",
    None,
    "denoising: standard deviation of the noise.  [default: 25]",
    FiniteRange(0, NOISIEST, min_open=True),
    metavar="LEVELS",
)
@seed_option("Seed of the random boxes and of the noise.")
def pairs(data: Path, task: str, out: Path, **options: Any) -> None:
    """Make pairs of a source and its target, for image to image, of a prepared data set.

    \b
    super-resolution  a picture of a quarter of the size, by Pillow's bicubic filter
    inpainting        a box of half the height and width is grey 127, and nothing else tells of it
    colourisation     grey, three equal channels of luma (ITU-R 601)
    edges             Canny's edges, black lines on white
    denoising         Gaussian noise of 25 grey levels, rounded and clipped

    OUT gets train/ and holdout/, each with sources/ and targets/ of PNG by the same names, and
    pairs.json. facebench train pix2pix learns the former and facebench eval-pairs asks for the
    latter.

    \b
    Examples:
      facebench data pairs --data faces64 --task super-resolution --out faces64-x4
      facebench data pairs --data faces64 --task inpainting --place random --out faces64-painted
      facebench data pairs --data faces64 --task denoising --sigma 50 --out faces64-clean
    """
    from facebench.pairs.make import make_pairs

    count = make_pairs(data, out, task, track=bar, **options)
    told = {"train": "to train on", "holdout": "held out"}
    parts = " and ".join(f"{count[name]} {words}" for name, words in told.items() if name in count)
    click.echo(f"{printable(str(out))}: {sum(count.values())} pairs for {task}, {parts}")
