"""The small bars under numbers: value, interval and noise floor on their column's scale."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from facebench.results.result import Result, Value
from facebench_reports.metric_columns import Column

_MARGIN = 0.04  # of the span, on either side


@dataclass(frozen=True)
class Bar:
    """Places on a column's scale, in percent from the left; None where nothing is known."""

    at: float
    low: float | None
    high: float | None
    floor: float | None
    beyond: bool = field(kw_only=True)
    """Whether the value lies outside the scale, which models set and checks do not."""


def bars(column: Column, results: Sequence[Result]) -> list[Bar | None]:
    """Return each result's bar, on a scale that shows all models and the noise floor."""
    models = [result for result in results if not result.is_sanity] or results
    numbers = [each for result in models for each in _numbers(column.value(result))]
    if len(set(numbers)) < 2:
        return [None] * len(results)
    margin = _MARGIN * (max(numbers) - min(numbers))
    low, high = min(numbers) - margin, max(numbers) + margin
    return [_bar(column.value(result), low, high) for result in results]


def _numbers(value: Value | None) -> Iterator[float]:
    if value is not None:
        shown = (value.value, value.low, value.high, value.floor)
        yield from (number for number in shown if number is not None)


def _bar(value: Value | None, low: float, high: float) -> Bar | None:
    if value is None:
        return None

    def place(number: float) -> float:
        return round(100 * min(max((number - low) / (high - low), 0.0), 1.0), 1)

    ends = [None if n is None else place(n) for n in (value.low, value.high, value.floor)]
    return Bar(place(value.value), *ends, beyond=not low <= value.value <= high)
