"""The answer of ``facebench score`` in a terminal."""

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from facebench.metrics.description import DIRECTIONS
from facebench.metrics.table import metric, order, title
from facebench.results.result import Result, Value
from facebench.text import in_one_line

_DASH = "—"


def show(results: Sequence[Result]) -> None:
    """Print one table of all `results`, and below it what must be known of each."""
    console = Console()
    console.print(_table(results))
    for line in notes(results):
        console.print(Text(line, "yellow"))


def _table(results: Sequence[Result]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("", overflow="fold")
    table.add_column("metric", overflow="fold")
    for heading in ("value", "95 % interval", "noise floor", "images"):
        table.add_column(heading, justify="right")
    keys = sorted({key for result in results for key in result.metrics}, key=order)
    for key in keys:
        for result in results:
            if key in result.metrics and _is_shown(key, result.metrics[key]):
                table.add_row(*map(Text, _cells(key, result)))
    return table


def _is_shown(key: str, value: Value) -> bool:
    """Say whether a value has a line: of dozens of like ones only what differs from real images."""
    return bool(value.differs) or not metric(key).is_of_many


def _cells(key: str, result: Result) -> list[str]:
    value, arrow = result.metrics[key], DIRECTIONS[metric(key).better][0]
    return [
        in_one_line(result.model),
        f"{title(key)} {arrow}",
        _number(value.value),
        _interval(value),
        _number(value.floor),
        f"{result.protocol.num:,}" if result.protocol.num else _DASH,
    ]


def _number(value: float | None) -> str:
    return _DASH if value is None else f"{value:.4g}"


def _interval(value: Value) -> str:
    if value.low is None or value.high is None:
        return _DASH
    return f"{_number(value.low)} – {_number(value.high)}"


def notes(results: Sequence[Result]) -> Iterator[str]:
    """Yield each remark once; with the name where it is not of all."""
    said = dict.fromkeys(note for result in results for note in result.remarks)
    for note in said:
        names = [in_one_line(result.model) for result in results if note in result.remarks]
        whose = "" if len(names) == len(results) else f"{', '.join(names)}: "
        yield f"{whose}{in_one_line(note)}."
