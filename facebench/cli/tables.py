"""``facebench adapters | metrics | weights``: what there is, as tables."""

from typing import TYPE_CHECKING

import click
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from facebench import registry

if TYPE_CHECKING:
    from facebench.metrics.table import Metric

_CARD_WIDTH = 100  # columns: longer lines are hard to read


@click.command()
def adapters() -> None:
    """List what opens models, plug-ins included."""
    _show(["adapter", "trainer"], [[n, _mark(n)] for n in registry.names("adapters")])


def _mark(name: str) -> str:
    return f"facebench train {name}" if name in registry.names("trainers") else ""


@click.command()
@click.argument("keys", nargs=-1, metavar="[KEY]...")
def metrics(keys: tuple[str, ...]) -> None:
    """Say what each metric measures, and where it misleads.

    \b
    Examples:
      facebench metrics
      facebench metrics fid lpips_diversity
    """
    from facebench.metrics.table import METRICS, metric

    console = Console()
    width = min(console.width, _CARD_WIDTH)
    cards = [_card(key, metric(key)) for key in keys or METRICS]
    console.print(Group(*cards), width=width)


def _card(key: str, row: "Metric") -> RenderableType:
    from facebench.metrics.card import DIRECTIONS, facts
    from facebench.metrics.table import title

    heading = Text(key, "bold").append(f"  {title(key)} {DIRECTIONS[row.better][0]}", "not bold")
    lists = Table.grid(padding=(0, 2, 0, 0))
    lists.add_column(style="dim")
    lists.add_column()
    for label, text in facts(row).items():
        lists.add_row(label, Text(text))
    return Group(heading, Padding(Group(Text(row.card), lists), (0, 0, 1, 2)))


@click.command()
def weights() -> None:
    """List network weights, and whether they are here."""
    from facebench.weights import MANIFEST, WeightSource

    source = WeightSource()
    rows = [
        [w.name, str(source.locate(w.name) or "not here"), w.licence, w.url]
        for w in MANIFEST.values()
    ]
    _show(["weights", "file", "licence", "address"], rows)


def _show(headings: list[str], rows: list[list[str]]) -> None:
    table = Table(*headings, box=None, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*row)
    Console().print(table)
