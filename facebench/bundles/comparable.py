"""Whether strangers' rows may stand in one table: the same protocol, and the same real images.

Who changes the digest of a data set in a record cannot change what the real images score. Noise
floors, and the real images' own values, are of these alone, so under one protocol every row has
the same.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from facebench.errors import BadInput
from facebench.metrics.metric import Metric
from facebench.metrics.paired import differing_settings, lpips_weights, unlike_settings
from facebench.metrics.table import is_known, metric
from facebench.results.digest import digest_of
from facebench.results.result import Result, Value, protocol_record
from facebench.text import shown

OF_REALS = {"floor": "noise floor", "reference": "real images' own value"}
_OF_AS_MANY = "identity_diversity"
"""The one metric whose real images' own value is of as many faces as were found in the model's."""
_OF_ERROR = 0.05
"""The part of a value's standard error by which other machines may differ."""
_OF_VALUE = 1e-3
_IMAGES = 5
"""Images that may fall to the other side of a threshold, of shares of images."""


class Sent(NamedTuple):
    """A row and who sent it."""

    result: Result
    source: str

    def __str__(self) -> str:
        return f"{shown(self.result.model)} of {shown(self.source)}"


def require_same_reals(rows: Sequence[Sent]) -> None:
    """Raise :class:`BadInput` for rows of one protocol whose real images score differently."""
    first: dict[tuple[str, str, str, str], Sent] = {}
    for row in rows:
        protocol = _digest(row)
        for number in _of_reals(row.result):
            key, name, _ = number
            other = first.setdefault((protocol, *number), row)
            mine, theirs = (each.result.metrics[key] for each in (row, other))
            if _differ(metric(key), mine, theirs, name, row.result.protocol.num):
                raise BadInput(
                    f"{row} says that it was measured against the same real images as {other}, "
                    f"and its {OF_REALS[name]} of {key} is {getattr(mine, name):.6g}, not "
                    f"{getattr(theirs, name):.6g}: one of them was measured against others, "
                    "edited, or made by another version, so leave it out or evaluate both alike."
                )


def protocols_apart(rows: Sequence[Sent]) -> str:
    """Say which rows have unlike protocols, the first two with their settings; empty if none."""
    by_protocol: dict[str, Sent] = {}
    for row in rows:
        by_protocol.setdefault(_digest(row), row)
    if len(by_protocol) < 2:
        return ""
    one, other, *more = by_protocol.values()
    protocols = [row.result.protocol for row in by_protocol.values()]
    settings = unlike_settings(one.result.protocol, other.result.protocol)
    besides = f"; in all they differ in {', '.join(differing_settings(*protocols))}" if more else ""
    return f"{one} and {other} were measured under unlike protocols ({settings}){besides}"


def without_pseudo_values(row: Sent) -> list[str]:
    """Return the metrics of a row that no test can be made of, and no check for edits."""
    metrics = row.result.metrics.items()
    return [key for key, value in metrics if is_known(key) and not value.groups]


def _digest(row: Sent) -> str:
    return digest_of(protocol_record(row.result.protocol))


def _of_reals(result: Result) -> Iterator[tuple[str, str, str]]:
    """Yield which numbers are of the real images: key, name, and with which AlexNet."""
    for key, value in result.metrics.items():
        if is_known(key):
            weights = lpips_weights(result) if metric(key).is_of_lpips else ""
            names = ["floor"] if key == _OF_AS_MANY else [*OF_REALS]
            yield from ((key, n, weights) for n in names if getattr(value, n) is not None)


def _differ(row: Metric, one: Value, other: Value, name: str, num: int) -> bool:
    mine, theirs = getattr(one, name), getattr(other, name)
    error = max(one.error or 0.0, other.error or 0.0)
    step = _IMAGES / num if row.valid[1] < 2 and num else 0.0
    tolerance = _OF_ERROR * error + _OF_VALUE * max(abs(mine), abs(theirs)) + step
    return bool(abs(mine - theirs) > tolerance)
