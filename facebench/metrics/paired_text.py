"""The comparison of two models in words and figures, for the terminal, JSON and the page alike."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from facebench.metrics.description import DIRECTIONS
from facebench.metrics.table import title
from facebench.results.result import Result

if TYPE_CHECKING:
    from facebench.metrics.paired import Difference

FORMAT = "facebench-comparison/1"
_MINUS = "\N{MINUS SIGN}"
_MOST_DECIMALS = 6


@dataclass(frozen=True)
class Line:
    """What is known of one metric of two models, as text."""

    metric: str
    """Its heading, with the direction."""
    first: str
    second: str
    difference: str
    interval: str
    """Of the difference; empty where it is not known."""
    p: str
    verdict: str
    significant: bool
    """Whether one of the two is better."""


def line(key: str, found: "Difference", a: Result, b: Result) -> Line:
    """Return the comparison of `a` with `b` by the metric `key`."""
    difference, interval = _difference(found)
    return Line(
        metric=f"{title(key)} {DIRECTIONS[found.better][0]}",
        first=value_text(a.metrics[key].value),
        second=value_text(b.metrics[key].value),
        difference=difference,
        interval=interval,
        p=_p(found.p),
        verdict=_verdict(found, a.model, b.model),
        significant=found.verdict in ("first", "second"),
    )


def footnotes(found: "Mapping[str, Difference]") -> Iterator[str]:
    """Yield what a reader of the lines must know, a sentence at a time."""
    yield "p: paired t-test over groups of images, each metric on its own."
    if any(one.better == "reference" for one in found.values()):
        yield "≈: the difference is that of the distances from the real images' own value."
    if any(one.verdict == "unknown" for one in found.values()):
        yield "Not judged: the uncertainty of the difference is not known."


def as_record(found: "Mapping[str, Difference]", a: Result, b: Result) -> dict[str, Any]:
    """Return the comparison as JSON holds it, with every number in full."""
    return {
        "format": FORMAT,
        "first": a.model,
        "second": b.model,
        "metrics": {key: _record(key, one, a, b) for key, one in found.items()},
    }


def _record(key: str, found: "Difference", a: Result, b: Result) -> dict[str, Any]:
    fields = asdict(found)
    return {
        "title": title(key),
        "better": fields.pop("better"),
        "first": a.metrics[key].value,
        "second": b.metrics[key].value,
        "difference": fields.pop("value"),
        **fields,
        "verdict": found.verdict,
    }


def _difference(found: "Difference") -> tuple[str, str]:
    """Set the difference and its interval to two digits of the interval's width."""
    if found.low is None or found.high is None:
        return value_text(found.value), ""
    width = found.high - found.low
    places = max(0, 1 - math.floor(math.log10(width))) if width else 2
    value, low, high = (_fixed(each, places) for each in (found.value, found.low, found.high))
    return value, f"{low} to {high}"


def _verdict(found: "Difference", first: str, second: str) -> str:
    return {
        "first": f"{first} is better",
        "second": f"{second} is better",
        "none": "no difference can be told",
        "unknown": "not judged",
    }[found.verdict]


def value_text(value: float) -> str:
    """Return a value to four digits."""
    return f"{value:#.4g}".rstrip(".").replace("-", _MINUS)


def _fixed(value: float, places: int) -> str:
    text = f"{value:z.{places}f}" if places <= _MOST_DECIMALS else f"{value:.1e}"
    return text.replace("-", _MINUS)


def _p(p: float | None) -> str:
    if p is None:
        return "—"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
