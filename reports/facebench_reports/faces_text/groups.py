"""Who is served or exposed worst: the subgroup that is surest to be, where it is beyond noise."""

from collections.abc import Iterator

from facebench.metrics.table import title
from facebench.results.result import Result, Value
from facebench_reports.faces_text.counts import detail, of, words

_EXPOSED = "identity_leakage"
_ASKED = (_EXPOSED, "face_rate", "coverage")
"""Metrics that may have subgroups."""
_LEVEL = 0.05


def groups(result: Result) -> Iterator[str]:
    """Say of each metric with subgroups which is worse off beyond noise, or that none is."""
    within = []
    for key in _ASKED:
        value = result.metrics.get(key)
        if value is None or (p := detail(value, "worst_p")) is None:
            continue
        if p <= _LEVEL:
            yield _worse_off(key, value)
        else:
            within.append(title(key))
    if within:
        yield f"No group differs from the others beyond noise in: {', '.join(within)}."


def _worse_off(key: str, value: Value) -> str:
    group = words(value, "worst_group")
    worst, rest = detail(value, "worst_value") or 0.0, detail(value, "rest_value") or 0.0
    if key == _EXPOSED:  # by how many times as often as their share of the training faces says
        return (
            f"Those who are looked like are more often of the group {group} than its share of the "
            f"training faces says: {worst:.2g} times as often, the others {rest:.2g} times."
        )
    return (
        f"{title(key)} is lower for {group}, beyond noise: {of(worst, 100)}, the others "
        f"{of(rest, 100)}."
    )
