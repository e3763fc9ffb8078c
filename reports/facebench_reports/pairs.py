"""The comparison of any two rows of a board, made beforehand: the page tests nothing itself."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

from facebench.errors import BadInput
from facebench.metrics import paired
from facebench.metrics.paired_text import line
from facebench.results.result import Result, read_history
from facebench_reports.board import Board

PAIRED = 24
"""Rows that can be compared on the page, the best ones: of 200 all pairs would take 100 MB."""


def comparisons(board: Board, folder: Path) -> dict[str, Any]:
    """Return ``names``, and ``pairs`` of them: by ``"i,j"`` with i < j, the lines of i against j.

    A line is metric, first, second, difference, interval, p, verdict and whether one is better: the
    texts of ``facebench compare``. What a model scored before it was trained again can be compared,
    too.
    """
    contenders = list(_contenders(board, folder))
    pairs = {
        f"{i},{j}": _lines(a, b)
        for (i, a), (j, b) in itertools.combinations(enumerate(contenders), 2)
    }
    return {"names": [result.model for result in contenders], "pairs": pairs}


def _contenders(board: Board, folder: Path) -> Iterator[Result]:
    """Yield the best rows, each followed by its earlier states of the same protocol."""
    models_first = sorted(board.results, key=lambda result: result.is_sanity)
    for result in models_first[:PAIRED]:
        yield result
        with suppress(BadInput):  # damaged: the board itself is whole
            for earlier in read_history(folder, result.model)[-3:]:
                if board.differing or earlier.protocol == result.protocol:
                    when = earlier.created[:16].replace("T", " ") or earlier.model_digest[:8]
                    yield replace(earlier, model=f"{earlier.model}, {when}")


def _lines(a: Result, b: Result) -> list[Sequence[str | bool]]:
    try:
        found = paired.compare(a, b, force=True)
    except BadInput:  # no metric in common
        return []
    return [astuple(line(key, difference, a, b)) for key, difference in found.items()]
