"""``facebench compare``: which of two models is better, metric by metric."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from facebench.errors import BadInput
from facebench.result import Result, read_result, read_results

if TYPE_CHECKING:
    from facebench.metrics.paired import Difference

_MINUS = "\N{MINUS SIGN}"
_MOST_DECIMALS = 6


@click.command()
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option(
    "--results",
    default="results",
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder that holds the results.",
)
@click.option(
    "--force",
    is_flag=True,
    help="Show values of unlike protocols side by side; nothing is said of which is better.",
)
def compare(first: str, second: str, results: Path, force: bool) -> None:
    """Tell which of two models is better.

    A and B are names in the results folder, or paths of results files. For every metric that both
    have: the difference, its 95 % interval, and the p-value of the paired t-test over groups of
    images, which asks whether a difference as large would arise between equal models.

    \b
    Examples:
      facebench compare dcgan vae
      facebench compare dcgan vae --results demo/results
      facebench compare results/dcgan.json older/dcgan.json
    """
    a, b = _find(first, results), _find(second, results)
    _show(a, b, force)


def _find(name: str, results: Path) -> Result:
    """Read the result that `name` names, or say which there are."""
    path = Path(name) if name.endswith(".json") else results / f"{name}.json"
    if path.is_file():
        return read_result(path)
    if name.endswith(".json"):
        raise BadInput(f"There is no results file {path}.")
    there = ", ".join(result.model for result in read_results(results))
    raise BadInput(f"{results} holds no result {name!r}; it holds: {there}.")


def _show(a: Result, b: Result, force: bool) -> None:
    from facebench.metrics.paired import compare, differing_settings, lpips_weights

    found = compare(a, b, force=force)
    console = Console()
    unlike = differing_settings(a.protocol, b.protocol)
    if unlike:
        console.print(
            Text("Warning: unlike protocols; what differs: ", "yellow").append(", ".join(unlike)),
            Text("These numbers cannot be compared: no difference is judged.\n"),
            sep="\n",
        )
    console.print(_table(a, b, found))
    console.print(Text(_footnote(found), "dim"))
    if "lpips_diversity" in found and lpips_weights(a) != lpips_weights(b):
        console.print(
            Text("The two LPIPS values cannot be compared: their AlexNets differ.", "dim")
        )


def _table(a: Result, b: Result, found: "dict[str, Difference]") -> Table:
    names = _plain(a.model), _plain(b.model)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("metric", overflow="fold")
    for name in names:
        table.add_column(Text(name), justify="right", overflow="fold")
    table.add_column("A − B\n95 % interval", justify="right", no_wrap=True)
    table.add_column("p", justify="right", no_wrap=True)
    table.add_column("verdict", overflow="fold")
    for key, difference in found.items():
        table.add_row(*_cells(key, difference, a, b))
    return table


def _cells(key: str, found: "Difference", a: Result, b: Result) -> list[Text]:
    from facebench.metrics.card import DIRECTIONS
    from facebench.metrics.table import title

    return [
        Text(f"{title(key)} {DIRECTIONS[found.better][0]}"),
        Text(_value(a.metrics[key].value)),
        Text(_value(b.metrics[key].value)),
        _interval(found),
        Text(_p(found.p)),
        _verdict(found, _plain(a.model), _plain(b.model)),
    ]


def _interval(found: "Difference") -> Text:
    """Set the interval below the difference, both to two digits of its width."""
    if found.low is None or found.high is None:
        return Text(_value(found.value))
    width = found.high - found.low
    places = max(0, 1 - math.floor(math.log10(width))) if width else 2
    value, low, high = (_fixed(each, places) for each in (found.value, found.low, found.high))
    return Text(value).append(f"\n{low} to {high}", "dim")


def _verdict(found: "Difference", first: str, second: str) -> Text:
    text, style = {
        "first": (f"{first} is better", "bold"),
        "second": (f"{second} is better", "bold"),
        "none": ("no difference can be told", ""),
        "unknown": ("not judged", "dim"),
    }[found.verdict]
    return Text(text, style)


def _footnote(found: "dict[str, Difference]") -> str:
    lines = ["p: paired t-test over groups of images, each metric on its own."]
    if any(one.better == "reference" for one in found.values()):
        lines.append("≈: the difference is that of the distances from the real images' own value.")
    if any(one.verdict == "unknown" for one in found.values()):
        lines.append("Not judged: the uncertainty of the difference is not known.")
    return "\n".join(lines)


def _value(value: float) -> str:
    return f"{value:#.4g}".rstrip(".").replace("-", _MINUS)


def _fixed(value: float, places: int) -> str:
    text = f"{value:.{places}f}" if places <= _MOST_DECIMALS else f"{value:.1e}"
    return text.replace("-", _MINUS)


def _p(p: float | None) -> str:
    if p is None:
        return "—"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _plain(text: str) -> str:
    """Return `text` without what could steer a terminal."""
    return "".join(c if c.isprintable() else "�" for c in text)
