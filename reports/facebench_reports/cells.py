"""The values of a board as text, each with all that is set beside it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from facebench.metrics.multiplicity import Correction
from facebench.results.result import Result, Value
from facebench_reports import number_format
from facebench_reports.metric_columns import Column

MOST_CLASSES = 50
"""Classes whose values are shown of one row."""


@dataclass(frozen=True)
class Cell:
    """One value as text."""

    title: str
    """Of which metric."""
    value: float
    """The number in full."""
    number: str
    error: str
    interval: str
    floor: str
    ratio: str
    """To the reference's own value, for metrics that are read against it."""
    own: str
    """That value."""
    best: bool
    """Whether no model of the column is better beyond noise."""
    classes: tuple[tuple[str, str], ...] = ()
    """Of a mean over classes: their names and values, the worst first."""
    details: tuple[tuple[str, str], ...] = ()
    """What the number is read with: a threshold, say."""
    differs: bool | None = None
    """Whether it differs from what real images score beyond noise; None where nobody tested."""


def cells_of(
    columns: Sequence[Column],
    results: Sequence[Result],
    forced: bool,
    correction: Correction = "none",
) -> list[tuple[Cell | None, ...]]:
    """Return the cells of each result, one per column."""
    bests = [
        [False] * len(results) if forced else column.bests(results, correction)
        for column in columns
    ]
    return [
        tuple(_cell(c, result, best[i]) for c, best in zip(columns, bests, strict=True))
        for i, result in enumerate(results)
    ]


def _cell(column: Column, result: Result, best: bool) -> Cell | None:
    value = column.value(result)
    if value is None:
        return None
    places = number_format.decimals(column.key, value.value, value.error)
    return Cell(
        title=column.title,
        value=value.value,
        number=number_format.fixed(value.value, places),
        error=number_format.error(column.key, value),
        interval=number_format.interval(column.key, value),
        floor=number_format.fixed(value.floor, places),
        ratio=number_format.ratio(value),
        own=number_format.fixed(value.reference, places),
        best=best,
        classes=_classes(column, value),
        details=tuple(_details(value)),
        differs=value.differs,
    )


def _details(value: Value) -> Iterator[tuple[str, str]]:
    """Yield what a value is read with, as text."""
    for name, each in value.details.items():
        text = each if isinstance(each, str) else f"{each:.4g}".replace("-", "\N{MINUS SIGN}")
        yield name.replace("_", " "), text


def _classes(column: Column, value: Value) -> tuple[tuple[str, str], ...]:
    """Return the worst classes, which are those to look at, as text."""
    sign = 1 if column.metric.better == "higher" else -1
    worst = sorted(value.classes.items(), key=lambda each: sign * each[1])
    shown = [(name, number_format.number(column.key, each)) for name, each in worst]
    if len(shown) > MOST_CLASSES:
        shown[MOST_CLASSES:] = [(f"and {len(shown) - MOST_CLASSES} others", "in the JSON")]
    return tuple(shown)
