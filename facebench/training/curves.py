"""What a log's lines say, as curves; and those that have intervals, with these."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from facebench.results.interval_ends import HIGH, LOW
from facebench.training.charts import Number

_NO_CURVES = ("step", "seconds")


class Logged(NamedTuple):
    """One name's values by step, and the ends of their intervals by step, where they have any."""

    curve: list[tuple[Number, Number]]
    band: list[tuple[Number, Number, Number]]


def curves_of(lines: Iterable[Mapping[str, Any]]) -> dict[str, Logged]:
    """Return all that was logged by its name, in the order in which it was first.

    >>> curves_of([{"step": 1, "a": 5.0, "a_low": 4.0, "a_high": 6.0}, {"step": 2, "a": 3.0}])
    {'a': Logged(curve=[(1, 5.0), (2, 3.0)], band=[(1, 4.0, 6.0)])}
    """
    found: dict[str, Logged] = {}
    for line in lines:
        for name, value in line.items():
            if name in _NO_CURVES or _is_end(name, line):
                continue
            logged = found.setdefault(name, Logged([], []))
            logged.curve.append((line["step"], value))
            if name + LOW in line and name + HIGH in line:
                logged.band.append((line["step"], line[name + LOW], line[name + HIGH]))
    return found


def _is_end(name: str, line: Mapping[str, Any]) -> bool:
    """Return whether it is an end of the interval of another value in the line."""
    return any(name.endswith(end) and name.removesuffix(end) in line for end in (LOW, HIGH))
