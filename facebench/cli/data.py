"""``facebench data``: make prepared data sets, and look at them."""

from pathlib import Path
from typing import Any, get_args

import click

from facebench.cli.make_pairs import pairs
from facebench.data.crop import PRESETS
from facebench.data.dataset import HOLDOUT_BY, Dataset, Split, open_dataset
from facebench.data.labels import CHOICES
from facebench.errors import BadInput
from facebench.options import seed_option
from facebench.progress import bar
from facebench.text import printable

_OUT = click.Path(path_type=Path, file_okay=False)


@click.group()
def data() -> None:
    """Make data sets to train on and compare with, and look at them."""


data.add_command(pairs)

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
@click.argument("source", type=click.Path(path_type=Path), metavar="SRC")
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
@seed_option("Seed of the random order.")
@click.option(
    "--in-order",
    is_flag=True,
    help="Keep the order of the names: for data whose official split goes by it, as CelebA's does.",
)
@click.option(
    "--labels",
    default="files",
    show_default=True,
    type=click.Choice(CHOICES),
    help="Where classes come from: what the files say, the first folder of each name, or nowhere.",
)
@click.option(
    "--identities",
    metavar="FILE|folders",
    help="Who is shown: a list as CelebA's or a CSV of file,identity, or the first folder of each.",
)
@click.option(
    "--attributes",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="What is to be seen: a list as CelebA's, or a CSV of file and one attribute a column.",
)
@click.option(
    "--holdout-by",
    default=HOLDOUT_BY[0],
    show_default=True,
    type=click.Choice(HOLDOUT_BY),
    help="Hold out any pictures, or only those of people who are not trained on.",
)
def prepare(source: Path, out: Path, **options: Any) -> None:
    """Crop and resize the pictures of SRC into the data set OUT.

    SRC is a folder, a zip or a tar of pictures, one .npy or .npz array of them (uint8), StyleGAN's
    zips, WebDataset's tars, Parquet or HDF5, see docs/files.md. Pictures are put in random order,
    so that those held out are a random sample; OUT/files.txt says which was which, OUT/labels.npy
    of which class, where the files say it. CelebA presets are given in the coordinates of its
    aligned 178×218 pictures and scale to sources of that shape. The filter is Pillow's Lanczos.
    Grey is repeated, transparency laid over white, 16 bits become 8.

    \b
    Examples:
      facebench data prepare img_align_celeba.zip faces64 --crop celeba --in-order --holdout 1000
      facebench data prepare lfw-deepfunneled.tgz lfw64
      facebench data prepare photos/ photos128 --size 128 --skip-unreadable
      facebench data prepare classes/ classes64 --labels folders
      facebench data prepare img_align_celeba.zip faces64 --crop celeba --holdout-by person \\
          --identities identity_CelebA.txt --attributes list_attr_celeba.txt
    """
    from facebench.data.prepare import prepare

    _report(prepare(source, out, track=bar, **options), out)


@data.command()
@click.argument("out", type=_OUT, metavar="OUT")
@click.option(
    "--num", default=2500, show_default=True, type=click.IntRange(2), help="Faces to render."
)
@_size_option
@_holdout_option
@seed_option("Seed of the first face.")
@click.option(
    "--people",
    type=click.IntRange(1),
    metavar="NUM",
    help="People to show in turn, in other poses, light and places.  [default: each another]",
)
def synth(out: Path, **options: Any) -> None:
    """Render parametric faces into the data set OUT: no photographs, no download.

    What each face was drawn from (skin, hair, pose, light, ...) lies beside it in factors.csv; who
    it is and what is to be seen (glasses, beard, smiling, ...) is kept as --identities and
    --attributes of data prepare are.

    \b
    Example:
      facebench data synth synth64 --num 2500
      facebench data synth people64 --num 2500 --people 500
    """
    from facebench.data.paint import synthesize

    _report(synthesize(out, track=bar, **options), out)


@data.command()
@click.argument("name", type=click.Choice(["lfw", "olivetti", "celeba"]))
@click.argument("out", type=_OUT, metavar="OUT")
@_size_option
@_holdout_option
def download(name: str, out: Path, **options: Any) -> None:
    """Download faces and prepare them as the data set OUT.

    \b
    lfw       13,233 press photographs of 5,749 people, 200 MB
    olivetti  400 grey studio portraits of 40 people, 4 MB
    celeba    202,599 photographs of celebrities, 1.4 GB

    The loaders are scikit-learn's (lfw, olivetti) and torchvision's (celeba); the files stay in
    the cache. The terms of the data set are shown: they are its authors', not facebench's.

    \b
    Example:
      facebench data download olivetti olivetti64
    """
    from facebench.data.datasets import DOWNLOADS, download

    click.echo(f"{DOWNLOADS[name].title}: {DOWNLOADS[name].terms}", err=True)
    _report(download(name, out, track=bar, **options), out)


@data.command()
@click.argument("folder", type=_OUT, metavar="DIR")
def stats(folder: Path) -> None:
    """Say what the prepared data set DIR holds: counts, colours, copies, and how its splits differ.

    The last line tells whether train and hold-out differ more than random parts of one set would.

    \b
    Example:
      facebench data stats faces64
    """
    from facebench.data.stats import compare_splits, describe

    dataset = open_dataset(folder)
    rows = describe(dataset)
    width = max(map(len, rows)) + 2
    for name, value in rows.items():
        click.echo(f"{name:<{width}}{value}")
    click.echo(compare_splits(dataset))


@data.command()
@click.argument("folder", type=_OUT, metavar="DIR")
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False), metavar="OUT.png")
@click.option(
    "--split",
    type=click.Choice(get_args(Split)),
    default="all",
    show_default=True,
    help="Which images.",
)
@click.option(
    "--num", default=100, show_default=True, type=click.IntRange(1, 10_000), help="How many."
)
@click.option("--first", is_flag=True, help="Take the first ones instead of random ones.")
@seed_option("Seed of the choice.")
def sheet(folder: Path, out: Path, split: Split, num: int, first: bool, seed: int) -> None:
    """Draw a contact sheet of the prepared data set DIR.

    \b
    Example:
      facebench data sheet faces64 faces.png --split holdout --num 64
    """
    import numpy as np

    from facebench.data.grid import grid
    from facebench.files import atomic_path

    images = open_dataset(folder).split(split)
    if not len(images):
        raise BadInput(f"{folder} has no {split} images to show: give another --split.")
    count = min(num, len(images))
    chosen = np.random.default_rng(seed).choice(len(images), count, replace=False)
    picture = grid(images.sample(range(count) if first else sorted(chosen.tolist())), gap=2)
    with atomic_path(out) as partial:
        picture.save(partial, "PNG")
    click.echo(f"{printable(str(out))}: {count} of {len(images)} images")


def _report(dataset: Dataset, out: Path) -> None:
    from facebench.data.pictures import listed
    from facebench.data.stats import sentences_on_people

    train, holdout = len(dataset.split("train")), len(dataset.split("holdout"))
    skipped, left_out = len(dataset.info["skipped"]), dataset.info.get("left_out", [])
    click.echo(
        f"{printable(str(out))}: {len(dataset)} images of {dataset.size}×{dataset.size}, "
        f"{train} to train on and {holdout} held out"
        + (f" of {len(dataset.classes)} classes" if dataset.classes else "")
        + (f"; {skipped} unreadable files left out" if skipped else "")
        + (f"; {listed(left_out)} left out" if left_out else "")
    )
    for line in [*sentences_on_people(dataset), *dataset.info.get("notes", [])]:
        click.echo(printable(str(line)))
