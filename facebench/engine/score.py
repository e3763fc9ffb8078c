"""Two sets of images and one answer: what ``facebench score`` does, as a function."""

import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from inspect import signature
from os import PathLike
from os.path import (
    exists,
    expanduser,
    isfile,
)  # false for what cannot be a path, and never an error
from pathlib import Path
from typing import Any

from facebench.data.dataset import Split
from facebench.engine.entries import Given, parse_entries, parse_one, require_names
from facebench.engine.evaluate import Evaluation, evaluate
from facebench.errors import BadInput
from facebench.plugins.model_spec import check_name, is_name, names_an_adapter
from facebench.plugins.run_checkpoints import FORM as CHECKPOINTS
from facebench.results.result import Result

_DECIDED = ("plain",)
"""What a score decides for itself."""

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
        options: those of :func:`facebench.evaluate`; of a prepared data set all images are taken
            unless `split` says which.

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


def evaluate_sets(
    real: Any, fake: Any, *, split: Split | None = "all", **options: Any
) -> Evaluation:
    """Return the Results of the sets in `fake`; see :func:`score`."""
    _check_options(options)
    rows = require_names(list(_rows(fake)))
    return evaluate(rows, real, split=split, plain=True, **options)


def _check_options(options: Mapping[str, Any]) -> None:
    """Refuse what is no option, or not one of a score's: evaluate would say it in a traceback."""
    there = {*signature(evaluate).parameters} - {"models", "reference", *_DECIDED}
    for name in options:
        if name not in there:
            listing = ", ".join(sorted(there))
            raise BadInput(f"score has no option {name!r:.99}; there are: {listing}.")


def as_scores(results: Sequence[Result]) -> Scores:
    """Return Results as plain dictionaries."""
    return {
        result.model: {
            key: {
                "value": each.value,
                "low": each.low,
                "high": each.high,
                "floor": each.floor,
                "n": result.protocol.num or None,
            }
            for key, each in result.metrics.items()
        }
        for result in results
    }


def _rows(fake: Any) -> Iterator[Given]:
    match fake:
        case dict():
            for name, value in fake.items():
                yield parse_one(check_name(str(name), _FORM), value)
        case list() | tuple():
            texts = [str(each) for each in fake if isinstance(each, str | PathLike)]
            names = iter(_names(texts))
            for each in fake:
                if not isinstance(each, str | PathLike):
                    yield parse_one("", each)
                elif _is_of_a_run(str(each)):
                    next(names)
                    yield from parse_entries(str(each))  # which may be several
                else:
                    yield parse_one(*next(names))
        case str() | PathLike():
            yield from _rows([fake])
        case _:
            yield parse_one("", fake)


def _is_of_a_run(text: str) -> bool:
    """Say whether it is ``RUN@STEP`` or ``RUN@*``, with a NAME= or without."""
    is_path = exists(expanduser(re.split("[:=]", text)[-1])) or exists(expanduser(text))
    has_options = "=" in text and names_an_adapter(text)
    return bool(CHECKPOINTS.fullmatch(text)) and not (is_path or has_options)


_FORM = "NAME=PATH"


def _names(texts: Sequence[str]) -> list[tuple[str, str]]:
    """Return the name of each row, and what it is: ``NAME=PATH``, or a path that gives the name.

    Paths of one name are told apart by the folders that they are in.
    """
    rows = [_named(text) for text in texts]
    names = [name for name, _ in rows]
    return [
        (_readable(f"{Path(path).parent.name}-{name}"), path)
        if names.count(name) > 1 and path == text
        else (name, path)
        for (name, path), text in zip(rows, texts, strict=True)
    ]


def _named(text: str) -> tuple[str, str]:
    name, equals, target = text.partition("=")
    is_path = exists(expanduser(text))
    is_named = equals and re.fullmatch(r"[\w.+-]+", name) and not names_an_adapter(text)
    if is_named and not is_path:
        return check_name(name, _FORM), target
    place = Path(text if is_path else text.rpartition(":")[2])
    place = Path(os.path.abspath(place.expanduser()))  # "." has a name, and a link its own
    return _readable(place.stem if isfile(place) else place.name), text


def _readable(name: str) -> str:
    """Return a name that a row can have.

    >>> _readable("my fakes (2)"), _readable("..."), _readable("leaderboard")
    ('my-fakes-2', 'images', 'leaderboard-1')
    """
    name = re.sub(r"[^\w.+]+", "-", name).strip("-.+")[:100] or "images"
    return name if is_name(name) else f"{name}-1"
