"""``facebench report``: the board, from results alone."""

from pathlib import Path

import click

from facebench import registry
from facebench.result import read_results


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="RESULTS")
@click.option(
    "--force",
    is_flag=True,
    help="Rank results of unlike protocols in one table, by their values alone, and mark them.",
)
def report(folder: Path, force: bool) -> None:
    """Draw the board again, from results alone.

    The leaderboard of RESULTS is shown, and written into it as HTML, CSV and JSON. Results of
    unlike protocols stand in tables of their own.

    \b
    Examples:
      facebench report results
      facebench report results --force
    """
    write_reports(folder, force)


def write_reports(folder: Path, force: bool = False) -> None:
    """Run every installed reporter over the Results in `folder`, and say where each one wrote.

    A reporter is a function ``(results, folder, force=False) -> path``; one that prints returns
    None. With `force`, it ranks unlike protocols together, and says so.
    """
    results = read_results(folder)
    reporters = [registry.find("reporters", name) for name in registry.names("reporters")]
    written = [reporter(results, folder, force=force) for reporter in reporters]
    for path in filter(None, written):
        click.echo(path)
