"""The small bars under numbers: value, interval and noise floor on their column's scale."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from facebench.results.result import Result, Value
from facebench_reports.columns import Column

_MARGIN = 0.04  # of the span, on either side


@dataclass(frozen=True)
class Bar:
    """Places on a column's scale, in percent from the left; None where nothing is known."""

    at: float
    low: float | None
    high: float | None
    floor: float | None
    beyond: bool
    """Whether the value lies outside the scale, which models set and checks do not."""


@dataclass(frozen=True)
class Scale:
    """What the bars of one column have in common."""

    low: float
    high: float

    def bar(self, value: Value | None) -> Bar | None:
        """Return the bar of `value`."""
        if value is None or not self.low < self.high:
            return None
        low, high, floor = (self._place(each) for each in (value.low, value.high, value.floor))
        beyond = not self.low <= value.value <= self.high
        return Bar(self._place(value.value) or 0.0, low, high, floor, beyond)

    def _place(self, number: float | None) -> float | None:
        if number is None:
            return None
        share = (number - self.low) / (self.high - self.low)
        return round(100 * min(max(share, 0.0), 1.0), 1)


def scale(column: Column, results: Sequence[Result]) -> Scale:
    """Return the scale on which all models of `column` and the noise floor are seen."""
    models = [result for result in results if not result.is_sanity] or results
    numbers = list(_numbers(value for result in models if (value := column.value(result))))
    if not numbers:
        return Scale(0.0, 0.0)
    margin = _MARGIN * (max(numbers) - min(numbers))
    return Scale(min(numbers) - margin, max(numbers) + margin)


def _numbers(values: Iterable[Value]) -> Iterable[float]:
    for value in values:
        seen = (value.value, value.low, value.high, value.floor)
        yield from (number for number in seen if number is not None)
