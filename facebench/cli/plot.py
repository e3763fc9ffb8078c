"""``facebench plot``: the plots of the board as files, from results alone."""

from pathlib import Path

import click

from facebench.errors import BadInput
from facebench.plugins import registry
from facebench.results.result import read_results


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="RESULTS")
@click.argument("names", nargs=-1, metavar="[PLOT]...")
@click.option(
    "--format",
    "suffix",
    default="png",
    show_default=True,
    type=click.Choice(["png", "svg"]),
    help="Pixels at twice the size, or curves.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder to write to.  [default: RESULTS/plots]",
)
def plot(folder: Path, names: tuple[str, ...], suffix: str, out: Path | None) -> None:
    """Draw the plots of the board as PNG or SVG.

    PLOT is any of metrics (every metric with its interval), planes (precision against recall,
    density against coverage), extrapolation (the distance against 1/N), features (where the images
    lie), training (what the runs logged), cost (time and memory), or a plug-in's; by default all
    that there are numbers for. Results of unlike protocols have plots of their own, numbered.

    \b
    Examples:
      facebench plot results
      facebench plot results planes metrics --format svg
      facebench plot results features --out figures
    """
    results = read_results(folder)
    target = folder / "plots" if out is None else out
    for name in names or registry.names("plots"):
        written = registry.find("plots", name)(results, folder, target / f"{name}.{suffix}")
        if names and not written:
            raise BadInput(f"The results of {folder} hold nothing to plot as {name}.")
        for path in written:
            click.echo(path)
