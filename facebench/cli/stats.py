"""``facebench stats``: statistics of images, for other programs."""

from pathlib import Path
from typing import Any

import click

from facebench.cli.engine_options import engine_options, inception_option, mode_option, opened
from facebench.distributed.launch import processes_option


@click.group()
def stats() -> None:
    """Write the statistics of images that Fréchet distances are made of."""


@stats.command()
@click.argument("source", metavar="SRC")
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False), metavar="OUT.npz")
@click.option(
    "--num",
    type=click.IntRange(2),
    metavar="IMAGES",
    help="The first so many, in random order; needed of a model.",
)
@inception_option
@mode_option
@engine_options
@processes_option()
def export(source: str, out: Path, **options: Any) -> None:
    """Write mean and covariance of the features of SRC as pytorch-fid and clean-fid read them.

    SRC is whatever `facebench score` takes. Programs resize images in ways of their own: --mode
    says whose. OUT.npz may stand for real images in `facebench score OUT.npz samples`.

    \b
    Examples:
      facebench stats export photographs reals.npz
      facebench stats export photographs for-pytorch-fid.npz --mode pytorch-fid
      facebench stats export runs/vae vae.npz --num 10000
    """
    from facebench.engine.export import export_statistics

    count = export_statistics(source, out, **opened(**options))
    if count:
        click.echo(f"{out}: statistics of {count:,} images.")
