"""``facebench metrics``: what each metric measures, and what it was seen to miss."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from string import ascii_letters
from typing import TYPE_CHECKING

import click
from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from facebench.metrics.metric import Metric
    from facebench.metrics.validity import Finding

_CARD_WIDTH = 100  # columns: longer lines are hard to read
_MARKS = {
    "sees": ("✓", "sees it, from the weakest strength that a person sees"),
    "sees late": ("~", "sees it from a stronger one on"),
    "not monotone": ("^", "sees it, but not the more the stronger it is"),
    "misses": ("✗", "does not see it"),
    "is fooled": ("!", "takes it for better"),
    "stands still": ("✓", ""),
    "moves": ("↕", "moves where nothing is wrong"),
    "not asked": ("·", "is not read for this"),
}


@click.command()
@click.argument("keys", nargs=-1, metavar="[KEY]...")
def metrics(keys: tuple[str, ...]) -> None:
    """Say what each metric measures, where it misleads, and which checks it fails.

    Without a KEY: all metrics in a line each, and what each of them sees in our own experiments,
    whose figures are in docs/validity.md.

    \b
    Examples:
      facebench metrics
      facebench metrics fid lpips_diversity
    """
    from facebench.metrics.table import METRICS, metric

    console = Console()
    if keys:
        cards = (_card(key, metric(key)) for key in keys)
        console.print(Group(*cards), width=min(console.width, _CARD_WIDTH))
        return
    console.print(_list(METRICS.usable), width=min(console.width, _CARD_WIDTH))
    for sight in _sights():
        console.print(sight, "", sep="\n")
    console.print(
        Text("facebench metrics KEY: its card, with the figures of what it failed.", "dim")
    )


def _card(key: str, row: "Metric") -> RenderableType:
    from facebench.metrics.description import DIRECTIONS, facts
    from facebench.metrics.table import title

    heading = Text(key, "bold").append(f"  {title(key)} {DIRECTIONS[row.better][0]}", "not bold")
    lists = Table.grid(padding=(0, 2, 0, 0))
    lists.add_column(style="dim")
    lists.add_column()
    for label, text in facts(row).items():
        lists.add_row(label, Text(text))
    return Group(heading, Padding(Group(Text(row.card), lists), (0, 0, 1, 2)))


def _list(rows: Sequence["Metric"]) -> RenderableType:
    from facebench.metrics.description import DIRECTIONS

    lines = Table.grid(padding=(0, 2, 0, 0))
    lines.add_column(style="bold", no_wrap=True)
    lines.add_column()
    lines.add_column()
    for row in rows:
        lines.add_row(row.key, DIRECTIONS[row.better][0], Text(row.card))
    return Padding(lines, (0, 0, 1, 0))


def _sights() -> Iterator[RenderableType]:
    """Yield a table of marks for each extractor and kind of faces, of the largest N that is in it.

    Then what the checks' letters and the marks mean.
    """
    from facebench.metrics.validity import all_findings

    place = attrgetter("data", "extractor", "n")
    found = {key: list(part) for key, part in groupby(sorted(all_findings(), key=place), place)}
    largest = {key[:2]: part for key, part in found.items()}  # the last of each is that
    checks = list(dict.fromkeys(finding.check for finding in all_findings()))
    for part in largest.values():
        yield _sight(part, checks)
    if checks:
        yield _legend(checks)


def _sight(found: Sequence["Finding"], checks: Sequence[str]) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("what it sees", no_wrap=True)
    for letter, _ in zip(ascii_letters, checks, strict=False):
        table.add_column(letter, no_wrap=True)
    for key, of_metric in groupby(found, attrgetter("metric")):
        marks = {finding.check: _MARKS[finding.verdict][0] for finding in of_metric}
        table.add_row(key, *(marks.get(check, "") for check in checks))
    return Group(Text(found[0].conditions, "bold"), table)


def _legend(checks: Sequence[str]) -> RenderableType:
    letters = "; ".join(
        f"{letter} {check}" for letter, check in zip(ascii_letters, checks, strict=False)
    )
    marks = "; ".join(f"{mark} {meaning}" for mark, meaning in _MARKS.values() if meaning)
    return Text(f"{letters}.\n{marks}.", "dim")
