"""How many images tell a difference: the power of the paired t-test at other numbers of images.

The standard error e of a difference that is seen at N images falls as 1/√N where both sides grow
alike, generated and real images; the number of groups, and so the t distribution, stay. The test at
5 % calls a difference Δ in the share `power` of repetitions where Δ/e is the noncentrality δ at
which a noncentral t exceeds the critical value in that share, so

    N(Δ) = N (δ e / Δ)²

Δ is taken as it is, at this N or wanted: that a metric's value depends on N, which two models share
nearly, is left out. So is that close to the best value the noise falls faster, as 1/N: there fewer
images are enough.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import nctdtrinc

from facebench.errors import BadInput
from facebench.metrics import t_distribution as student
from facebench.metrics.paired import LEVEL, Difference, compare
from facebench.metrics.table import is_known, order
from facebench.results.result import Result, Value

POWER = 0.8


@dataclass(frozen=True)
class Plan:
    """How many images a side tell one difference in the share `power` of repetitions."""

    difference: float
    """That is to be told: the one seen, or one that is wanted."""
    num: float | None
    """Generated images of each model; None where the noise is not known, or the difference is 0."""
    least: float | None = None
    """As many where the difference is as large as the 95 % interval of the one seen allows."""
    most: float | None = None
    """Where it is as small; None where it may be 0, or nothing was seen."""
    is_seen: bool = False
    """Whether the difference seen is beyond noise already."""


def plans(
    a: Result,
    b: Result | None,
    keys: Sequence[str] | None = None,
    wanted: float | None = None,
    power: float = POWER,
) -> dict[str, Plan]:
    """Return by metric how many images tell `a` from `b`, or two models `wanted` apart.

    Args:
        a: a model that was scored.
        b: another, for the noise of their difference, without what both owe to the real images.
            Without it a second model is taken to be as noisy as `a`, and to share nothing.
        keys: the metrics, all that there are by default.
        wanted: a difference in the metric's unit; by default the one that was seen.
        power: the share of repetitions in which the difference is told.

    Raises:
        BadInput: for unlike protocols, metrics that a result has not, and where neither a second
            model nor a wanted difference is given.
    """
    if wanted is None and b is None:
        raise BadInput("Name a second model, or the --difference that is to be told.")
    if wanted is not None and not (math.isfinite(wanted) and wanted > 0):
        raise BadInput(f"A difference of {wanted:g} is none: give a number above 0.")
    there = compare(a, b) if b else _beside_itself(a)
    for key in keys or ():
        if key not in there:
            listed = ", ".join(there)
            raise BadInput(f"{key!r} was not measured here; there are: {listed}.")
    if not a.protocol.num:
        raise BadInput(f"{a.model} does not say of how many images it is: nothing can be planned.")
    return {
        key: _plan(there[key], len(a.metrics[key].groups), a.protocol.num, wanted, power)
        for key in keys or there
    }


def noncentrality(groups: int, power: float = POWER) -> float:
    """Return how many standard errors a difference must be to be told in the share `power`.

    The test is Student's, two-sided at 5 %, of `groups` pseudo-values; `power` is a half or more.

    >>> round(noncentrality(32), 2), round(noncentrality(10), 2)
    (2.89, 3.15)
    """
    critical = student.quantile(1 - LEVEL / 2, groups)
    return float(nctdtrinc(groups - 1, 1 - power, critical))


def _plan(found: Difference, groups: int, num: int, wanted: float | None, power: float) -> Plan:
    """Return the plan for `wanted`, else for the difference that was found at `num` images."""
    difference = found.value if wanted is None else wanted
    if found.low is None or found.high is None or found.low == found.high:
        return Plan(difference, None)
    error = (found.high - found.low) / 2 / student.quantile(1 - LEVEL / 2, groups)
    reach = noncentrality(groups, power) * error

    is_seen = found.low > 0 or found.high < 0

    def needed(size: float) -> float | None:
        ratio = reach / abs(size) if size else math.inf
        count = num * ratio * ratio
        return count if math.isfinite(count) else None

    if wanted is not None:
        return Plan(difference, needed(wanted), is_seen=is_seen)
    ends = sorted(map(abs, (found.low, found.high)))
    return Plan(
        difference,
        needed(difference),
        needed(ends[1]),
        needed(ends[0]) if is_seen else None,
        is_seen,
    )


def _beside_itself(a: Result) -> dict[str, Difference]:
    known = sorted(filter(is_known, a.metrics), key=order)
    return {key: _like(a.metrics[key]) for key in known}


def _like(value: Value) -> Difference:
    """Return the difference of two equal models that are each as noisy as `value`."""
    if not value.groups:
        return Difference(0.0)
    groups = np.asarray(value.groups, np.float64)
    reach = 2**0.5 * float(student.standard_error(groups))
    reach *= student.quantile(1 - LEVEL / 2, len(groups))
    return Difference(0.0, -reach, reach, 1.0)
