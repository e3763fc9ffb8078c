"""Two sets of images and one answer: what ``facebench score`` does, as a function."""

import re
import warnings
from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from facebench.engine.entries import Given, parse_one, require_names
from facebench.engine.evaluate import Evaluation, evaluate
from facebench.results.result import Result

METRICS = ("fid", "fdr", "kid", "precision", "recall", "density", "coverage")
"""What is computed unasked: what one network and some seconds give."""

Scores = dict[str, dict[str, dict[str, float | int | None]]]
"""By model, then by metric: value, low, high, floor and n."""


def score(real: Any, fake: Any, **options: Any) -> Scores:
    """Score one set of images, or several, against real ones, all as they are.

    >>> score("photographs", "samples")["samples"]["fid"]  # doctest: +SKIP
    {'value': 31.4, 'low': 30.2, 'high': 32.6, 'floor': 4.1, 'n': 5000}

    Args:
        real: pictures in any form that is read, a prepared data set (all of it), a model, an array
            of images ``uint8`` (n, 3, h, w), or a sampler.
        fake: the same; a list of such, or a mapping of names to such, for several.
        options: those of :func:`facebench.evaluate`.

    Returns:
        By model and metric the value, its 95 % interval, what other real images score in its place,
        and how many images it is of: what ``facebench score --json`` prints.

    Raises:
        BadInput: for what cannot be opened or compared.
        RowFailed: for a model that fails.

    Warns:
        UserWarning: for each thing that makes the sets hard to compare.
    """
    evaluation = evaluate_sets(real, fake, **options)
    for error in evaluation.failures.values():
        raise error
    for result in evaluation.results:
        for note in result.remarks:
            warnings.warn(f"{result.model}: {note}.", stacklevel=2)
    return as_scores(evaluation.results)


def evaluate_sets(real: Any, fake: Any, **options: Any) -> Evaluation:
    """Return the Results of the sets in `fake`; see :func:`score`."""
    rows = require_names(list(_rows(fake)))
    everything = options.get("num") is None
    return evaluate(rows, real, split="all", everything=everything, unasked=METRICS, **options)


def as_scores(results: Sequence[Result]) -> Scores:
    """Return Results as plain dictionaries."""
    return {
        result.model: {
            key: {
                "value": each.value,
                "low": each.low,
                "high": each.high,
                "floor": each.floor,
                "n": result.protocol.num,
            }
            for key, each in result.metrics.items()
        }
        for result in results
    }


def _rows(fake: Any) -> Iterator[Given]:
    match fake:
        case dict():
            for name, value in fake.items():
                yield parse_one(str(name), value)
        case list() | tuple():
            for each in fake:
                yield from _rows(each)
        case str() | PathLike():
            yield parse_one(*_named(str(fake)))
        case _:
            yield parse_one("", fake)


def _named(text: str) -> tuple[str, str]:
    """Return the name of a row and what it is: ``NAME=PATH``, or a path that gives the name."""
    name, equals, target = text.partition("=")
    if equals and re.fullmatch(r"[\w.+-]+", name) and not Path(text).expanduser().exists():
        return name, target
    stem = Path(text.rpartition(":")[2]).expanduser().resolve().stem
    return re.sub(r"[^\w.+-]|^[.+-]+", "", stem)[:100] or "images", text
