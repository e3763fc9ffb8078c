"""``facebench adapters | metrics | weights``: what there is, as tables."""

import click
from rich.console import Console
from rich.table import Table

from facebench import registry


@click.command()
def adapters() -> None:
    """List what opens models, plug-ins included."""
    _show(["adapter", "trainer"], [[n, _mark(n)] for n in registry.names("adapters")])


def _mark(name: str) -> str:
    return f"facebench train {name}" if name in registry.names("trainers") else ""


@click.command()
def metrics() -> None:
    """List what is measured, and where it misleads."""
    from facebench.metrics.table import METRICS

    rows = [
        [row.key, {"lower": "↓", "higher": "↑"}.get(row.better, "="), row.card, row.caution]
        for row in METRICS.values()
    ]
    _show(["metric", "", "what it says", "where it misleads"], rows)


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
