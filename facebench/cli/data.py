"""``facebench data``: make prepared data sets."""

from pathlib import Path

import click

from facebench.data.crop import PRESETS
from facebench.data.dataset import Dataset
from facebench.options import seed_option
from facebench.progress import bar

_FOLDER = click.Path(path_type=Path)
_OUT = click.Path(path_type=Path, file_okay=False)


@click.group()
def data() -> None:
    """Make data sets to train on and compare with."""


_size_option = click.option(
    "--size",
    default=64,
    show_default=True,
    type=click.IntRange(8, 1024),
    metavar="PIXELS",
    help="Height and width.",
)
_holdout_option = click.option(
    "--holdout",
    type=click.IntRange(0),
    metavar="NUM",
    help="Images, the last ones, kept from training for evaluation.  [default: a tenth]",
)


@data.command()
@click.argument("source", type=_FOLDER, metavar="SRC")
@click.argument("out", type=_OUT, metavar="OUT")
@click.option(
    "--crop",
    default="none",
    show_default=True,
    type=click.Choice(PRESETS),
    help="What to cut out: a CelebA preset, or none for a centre square.",
)
@_size_option
@_holdout_option
@click.option("--skip-unreadable", is_flag=True, help="Leave out what cannot be decoded.")
def prepare(
    source: Path, out: Path, crop: str, size: int, holdout: int | None, skip_unreadable: bool
) -> None:
    """Crop and resize the pictures of SRC, a folder, zip or tar, into the data set OUT.

    Pictures are taken in the order of their names. CelebA presets are given in the coordinates of
    its aligned 178×218 pictures and scale to sources of that shape. The filter is Pillow's
    Lanczos. Grey is repeated, transparency laid over white, 16 bits become 8.

    \b
    Examples:
      facebench data prepare img_align_celeba.zip faces64 --crop celeba --holdout 1000
      facebench data prepare lfw-deepfunneled.tgz lfw64
      facebench data prepare photos/ photos128 --size 128 --skip-unreadable
    """
    from facebench.data.prepare import prepare

    dataset = prepare(
        source,
        out,
        crop=crop,
        size=size,
        holdout=holdout,
        skip_unreadable=skip_unreadable,
        track=bar,
    )
    _report(dataset, out)


@data.command()
@click.argument("out", type=_OUT, metavar="OUT")
@click.option(
    "--num", default=2500, show_default=True, type=click.IntRange(2), help="Faces to render."
)
@_size_option
@_holdout_option
@seed_option("Seed of the first face.")
def synth(out: Path, num: int, size: int, holdout: int | None, seed: int) -> None:
    """Render parametric faces into the data set OUT: no photographs, no download.

    What each face was drawn from (skin, hair, pose, light, ...) lies beside it in factors.csv.

    \b
    Example:
      facebench data synth synth64 --num 2500
    """
    from facebench.data.prepare import synthesize

    _report(synthesize(out, num=num, size=size, seed=seed, holdout=holdout, track=bar), out)


def _report(dataset: Dataset, out: Path) -> None:
    train, holdout = len(dataset.split("train")), len(dataset.split("holdout"))
    skipped = len(dataset.info["skipped"])
    click.echo(
        f"{out}: {len(dataset)} images of {dataset.size}×{dataset.size}, "
        f"{train} to train on and {holdout} held out"
        + (f"; {skipped} unreadable files left out" if skipped else "")
    )
