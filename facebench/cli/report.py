"""``facebench report``: the board, from results alone."""

from pathlib import Path

import click

from facebench import registry
from facebench.result import read_results


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="RESULTS")
def report(folder: Path) -> None:
    """Draw the board again, from results alone.

    The leaderboard of RESULTS is shown, and written into it as HTML, CSV and JSON.

    \b
    Example:
      facebench report results
    """
    write_reports(folder)


def write_reports(folder: Path) -> None:
    """Run every installed reporter over the Results in `folder`, and say where each one wrote.

    A reporter is a function ``(results, folder) -> path``; one that prints returns None.
    """
    results = read_results(folder)
    reporters = [registry.find("reporters", name) for name in registry.names("reporters")]
    written = [reporter(results, folder) for reporter in reporters]
    for path in filter(None, written):
        click.echo(path)
