"""Who is served or exposed worst: the subgroups of a metric with the worst value."""

from collections.abc import Iterator

from facebench.metrics.table import title
from facebench.results.result import Result
from facebench_reports import number_format

_ASKED = {
    "identity_leakage": ("highest", "lowest"),
    "face_rate": ("lowest", "highest"),
    "coverage": ("lowest", "highest"),
}
"""Metrics that may have subgroups, with the worst end of their values, and the best."""


def groups(result: Result) -> Iterator[str]:
    """Say of each metric that has subgroups which of them is worst, and which best."""
    for key, (worst, best) in _ASKED.items():
        value = result.metrics.get(key)
        if value is None or len(value.classes) < 2:
            continue
        sign = -1 if worst == "highest" else 1
        ordered = sorted(value.classes.items(), key=lambda each: sign * each[1])
        ends = [f"{name} ({number_format.number(key, each)})" for name, each in ordered]
        yield f"{title(key)} is {worst} for {ends[0]} and {best} for {ends[-1]}."
