"""Whether the numbers of a row belong together: who edits one of them would have to edit them all.

The mean of a value's pseudo-values is the value, their scatter its standard error, and both give
its interval (:mod:`facebench.metrics.uncertainty`). Who moves all of them alike is not found here,
but by whoever draws and scores the images again.
"""

from collections.abc import Iterator
from math import isclose

import numpy as np

from facebench.errors import BadInput
from facebench.metrics import t_distribution as student
from facebench.metrics.builtin_metrics import ROWS
from facebench.metrics.metric import Metric
from facebench.metrics.table import is_known, metric
from facebench.results.result import Result, Value
from facebench.text import shown

_RAISED = {"fid", "fid_inf", "mind", "cmmd", "kid", "fd_identity"}
"""Squared distances, the middle of whose interval lies above the value."""
_ROUNDING = 1e-6
"""Of the largest number of a value: other machines add up in another order."""
_LEAST = 1e-6
"""What is smaller is all rounding."""


def require_consistent(result: Result, place: object) -> None:
    """Refuse a row, naming its `place`, of which some numbers do not belong to the others.

    What packages of others measured is not looked at: nobody here knows how.
    """
    for key, value in result.metrics.items():
        if is_known(key) and (row := metric(key)) in ROWS:
            for fault in faults_of(row, value):
                raise BadInput(
                    f"{place} is refused: a number of {shown(result.model)} was changed, for its "
                    f"{shown(key)} {fault}: ask for the row as facebench eval wrote it."
                )


def faults_of(row: Metric, value: Value) -> Iterator[str]:
    """Yield which of a value's numbers do not belong to the others."""
    if not value.groups:
        if value.error is not None:
            yield f"has a standard error, {value.error:.6g}, and no pseudo-values it comes from"
        return
    groups = np.asarray(value.groups, np.float64)
    rounding = _ROUNDING * float(max(np.abs(groups).max(), abs(value.value), _LEAST))
    if value.error is None or value.low is None or value.high is None or len(groups) < 2:
        yield "has pseudo-values, and no standard error and interval beside them"
        return
    mean, error = float(groups.mean()), float(student.standard_error(groups))
    if not isclose(float(np.clip(mean, *row.valid)), value.value, abs_tol=rounding):
        yield f"is {value.value:.6g}, and the mean of its pseudo-values {mean:.6g}"
    if row.interval != "more noise" and not isclose(error, value.error, abs_tol=rounding):
        yield f"has the standard error {value.error:.6g}, and its pseudo-values {error:.6g}"
    if not _is_interval(row, value, value.error, (value.low, value.high), rounding):
        yield f"has an interval, {value.low:.6g} to {value.high:.6g}, that is not of its error"


def _is_interval(
    row: Metric, value: Value, error: float, ends: tuple[float, float], rounding: float
) -> bool:
    """Return whether `ends` are what value and error give, cut to what can occur.

    The middle of a squared distance's may lie above the value, by no more than it reaches.
    """
    (low, high), (lowest, highest) = ends, row.valid
    if row.interval == "own":
        return low - rounding <= value.value <= high + rounding
    reach = float(student.quantile(0.975, len(value.groups))) * error
    uncut = [low + reach] * (low > lowest) + [high - reach] * (high < highest)
    told = [(max(middle - reach, lowest), min(middle + reach, highest)) for middle in uncut]
    above = reach if row.key in _RAISED else 0.0
    return (
        lowest <= low <= high <= highest
        and all(np.allclose(each, ends, rtol=0, atol=rounding) for each in told)
        and all(-rounding <= middle - value.value <= above + rounding for middle in uncut)
    )
