"""``facebench train``: the trainers that are installed."""

import click

from facebench.cli.lazy_groups import PluginGroup


@click.group(cls=PluginGroup, kind="trainers")
def train() -> None:
    """Train a reference model on a data set.

    \b
    Example:
      facebench train vae --data faces64 --out runs/vae
    """
