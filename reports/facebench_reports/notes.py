"""What a reader must know beside the numbers: of rows by letters, of columns by signs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from string import ascii_lowercase

from facebench.metrics.table import is_known, metric
from facebench.results.result import Result
from facebench_reports.metric_columns import Column

_SIGNS = "†‡§¶"


@dataclass(frozen=True)
class Note:
    """One remark, and the models or the columns it holds for."""

    mark: str
    """What ties it to them; empty where it holds for every row."""
    text: str
    subjects: tuple[str, ...]


def row_notes(results: Sequence[Result]) -> tuple[Note, ...]:
    """Return each note once: those of every row first, then the lettered ones."""
    holders = {
        text: tuple(r.model for r in results if text in remarks(r))
        for result in results
        for text in remarks(result)
    }
    shared = [text for text, models in holders.items() if len(models) == len(results)]
    others = [text for text in holders if text not in shared]
    return (
        *(Note("", text, holders[text]) for text in shared),
        *(Note(_mark(ascii_lowercase, i), text, holders[text]) for i, text in enumerate(others)),
    )


def remarks(result: Result) -> tuple[str, ...]:
    """Return what stands beside the numbers of `result`, a family's failures in one line.

    Of dozens of attributes each may be refused, for reasons that the section on faces tells.
    """
    missing = [*result.failed, *result.refused]
    of_families = [key for key in missing if is_known(key) and metric(key).family]
    failed, refused = (
        {key: why for key, why in each.items() if key not in of_families}
        for each in (result.failed, result.refused)
    )
    told = (f"not measured, for reasons given in the results: {', '.join(of_families)}",)
    rest = replace(result, failed=failed, refused=refused).remarks
    return (*rest, *(told if of_families else ()))


def column_notes(columns: Sequence[Column], results: Sequence[Result]) -> tuple[Note, ...]:
    """Return what is amiss with some columns' numbers or intervals, each note once."""
    holders: dict[str, list[str]] = {}
    for column in columns:
        for text in _remarks(column, results):
            holders.setdefault(text, []).append(column.title)
    return tuple(
        Note(_mark(_SIGNS, index), text, tuple(titles))
        for index, (text, titles) in enumerate(holders.items())
    )


def _remarks(column: Column, results: Sequence[Result]) -> Iterator[str]:
    if not column.comparable(results):
        yield "These values cannot be compared: the AlexNets of their LPIPS differ."
    values = [value for result in results if (value := column.value(result))]
    if column.metric.interval_note and any(value.low is not None for value in values):
        yield column.metric.interval_note


def _mark(signs: str, index: int) -> str:
    return signs[index % len(signs)] * (1 + index // len(signs))
