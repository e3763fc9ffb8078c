"""Who is served or exposed worst: the subgroups of a metric with the worst value."""

from collections.abc import Iterator

from facebench.metrics.table import title
from facebench.results.result import Result
from facebench_reports import number_format

_ASKED = {
    "identity_leakage": ("Most look like training people", 1),
    "face_rate": ("One face is found least often in", -1),
    "coverage": ("Real images are covered least of", -1),
}
"""Per metric with subgroups: how the worst is said, and whether the highest value is the worst."""


def groups(result: Result) -> Iterator[str]:
    """Say of each metric that has subgroups which of them is worst, and which best."""
    for key, (worst, sign) in _ASKED.items():
        value = result.metrics.get(key)
        if value is None or len(value.classes) < 2:
            continue
        (first, high), *_, (last, low) = sorted(value.classes.items(), key=lambda e: -sign * e[1])
        texts = [number_format.number(key, each) for each in (high, low)]
        yield (
            f"{worst}: {first} ({title(key)} {texts[0]}); the other end is {last} ({texts[1]})."
        )
