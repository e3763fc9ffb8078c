"""``facebench compare``: which of two models is better, metric by metric."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from facebench.errors import BadInput
from facebench.metrics.paired_text import Line, as_record, footnotes, line
from facebench.metrics.table import UNKNOWN, is_known
from facebench.results.result import Result, read_result, read_results
from facebench.text import in_one_line

if TYPE_CHECKING:
    from facebench.metrics.paired import Difference


results_option = click.option(
    "--results",
    default="results",
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder that holds the results.",
)


@click.command()
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@results_option
@click.option(
    "--force",
    is_flag=True,
    help="Show values of unlike protocols side by side; nothing is said of which is better.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with every number in full.")
def compare(first: str, second: str, results: Path, force: bool, as_json: bool) -> None:
    """Tell which of two models is better.

    A and B are names in the results folder, or paths of results files. For every metric that both
    have: the difference, its 95 % interval, and the p-value of the paired t-test over groups of
    images, which asks whether a difference as large would arise between equal models.

    \b
    Examples:
      facebench compare dcgan vae
      facebench compare dcgan vae --results demo/results
      facebench compare results/dcgan.json older/dcgan.json
      facebench compare dcgan vae --json
    """
    from facebench.metrics.paired import compare

    a, b = find_result(first, results), find_result(second, results)
    found = compare(a, b, force=force)
    for key in sorted(a.metrics.keys() & b.metrics.keys()):
        if not is_known(key):
            click.echo(f"Note: {key} is left out: {UNKNOWN}.", err=True)
    if as_json:
        click.echo(json.dumps(as_record(found, a, b), indent=2, ensure_ascii=False))
    else:
        _show(a, b, found)


def find_result(name: str, results: Path) -> Result:
    """Read the result that `name` names, or say which there are."""
    path = Path(name) if name.endswith(".json") else results / f"{name}.json"
    if path.is_file():
        return read_result(path)
    if name.endswith(".json"):
        raise BadInput(f"There is no results file {path}.")
    there = ", ".join(result.model for result in read_results(results))
    raise BadInput(f"{results} holds no result {name!r}; it holds: {there}.")


def _show(a: Result, b: Result, found: "dict[str, Difference]") -> None:
    from facebench.metrics.paired import differing_settings, lpips_weights

    console = Console()
    unlike = differing_settings(a.protocol, b.protocol)
    if unlike:
        console.print(
            Text("Warning: unlike protocols; what differs: ", "yellow").append(", ".join(unlike)),
            Text("These numbers cannot be compared: no difference is judged.\n"),
            sep="\n",
        )
    lines = [line(key, difference, a, b) for key, difference in found.items()]
    console.print(_table(a, b, lines))
    console.print(Text("\n".join(footnotes(found)), "dim"))
    if "lpips_diversity" in found and lpips_weights(a) != lpips_weights(b):
        console.print(
            Text("The two LPIPS values cannot be compared: their AlexNets differ.", "dim")
        )


def _table(a: Result, b: Result, lines: Sequence[Line]) -> Table:
    names = in_one_line(a.model), in_one_line(b.model)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("metric", overflow="fold")
    for name in names:
        table.add_column(Text(name), justify="right", overflow="fold")
    table.add_column("A − B\n95 % interval", justify="right", no_wrap=True)
    table.add_column("p", justify="right", no_wrap=True)
    table.add_column("verdict", overflow="fold")
    for each in lines:
        table.add_row(*_cells(each))
    return table


def _cells(each: Line) -> list[Text]:
    below = f"\n{each.interval}" if each.interval else ""
    style = "bold" if each.significant else "dim" if each.p == "—" else ""
    return [
        Text(each.metric),
        Text(each.first),
        Text(each.second),
        Text(each.difference).append(below, "dim"),
        Text(each.p),
        Text(in_one_line(each.verdict), style),
    ]
