"""Shares as people say them: so many of a hundred, and between which numbers."""

import math
from collections.abc import Mapping

from facebench.results.result import Value


def count(share: float, total: int) -> str:
    """Return how many of `total` a share is, never none or all of them where it is not.

    >>> count(0.031, 1000), count(0.0, 100), count(0.0004, 100), count(0.999, 100)
    ('31', '0', 'fewer than 1', 'more than 99')
    """
    exact = share * total
    if 0 < exact < 0.5:
        return "fewer than 1"
    if total - 0.5 <= exact < total:
        return f"more than {total - 1:,}"
    return f"{round(exact):,}"


def of(share: float, total: int) -> str:
    """Return a share with what it is of.

    >>> of(0.031, 1000)
    '31 of 1,000'
    """
    return f"{count(share, total)} of {total:,}"


def between(low: float | None, high: float | None, total: int = 1) -> str:
    """Return an interval of shares behind their count; empty where there is none.

    >>> between(0.022, 0.042, 1000), between(None, None, 1000), between(849.7, 890.2)
    (' (22 to 42)', '', ' (850 to 890)')
    """
    if low is None or high is None:
        return ""
    ends = [f"{max(0, round(end * total)):,}" for end in (low, high)]
    return f" ({' to '.join(dict.fromkeys(ends))})"


def total_for(rare: float) -> int:
    """Return of how many to speak, so that a rare share is ten or more of them.

    >>> total_for(0.01), total_for(0.001), total_for(0.5)
    (1000, 10000, 100)
    """
    return int(10 ** max(2, 1 + math.ceil(-math.log10(rare) - 1e-9)))


def detail(value: Value, name: str) -> float | None:
    """Return a number that `value` is read with; None where it is not known."""
    found = value.details.get(name)
    return None if isinstance(found, str) else found


def words(value: Value, name: str) -> str:
    """Return words that `value` is read with; none where they are not known."""
    found: Mapping[str, float | str] = value.details
    return str(found.get(name, ""))
