"""The section "People" of a board: what ``facebench arena`` found out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facebench.metrics.table import is_known
from facebench.results.judgement import (
    Estimate,
    Judged,
    Judgement,
    is_of_these_pictures,
    read_judgement,
)
from facebench.results.judgement_text import plain, sentences
from facebench_reports.bars import Bar
from facebench_reports.board import Board
from facebench_reports.metric_columns import Column

_MARGIN = 0.04  # of a bar's width, at either end


@dataclass(frozen=True)
class Number:
    """One estimate as text, and as a bar among those of its column."""

    value: str
    interval: str
    bar: Bar | None


@dataclass(frozen=True)
class PersonRow:
    """What people think of one model."""

    judged: Judged
    strength: Number
    hype: Number
    fooled: Number


@dataclass(frozen=True)
class MetricRow:
    """Whether a metric orders models as people do."""

    title: str
    models: int
    kendall: Number
    spearman: Number


@dataclass(frozen=True)
class PeopleSection:
    """What the page shows of people's judgement on one board."""

    sentences: Sequence[str]
    rows: Sequence[PersonRow]
    agreement: Sequence[MetricRow]
    outdated: Sequence[str]
    """Models whose pictures have changed since."""

    @property
    def has_intervals(self) -> bool:
        """Whether any rank correlation has one."""
        return any(each.kendall.interval for each in self.agreement)


def people_section(board: Board, folder: Path) -> PeopleSection | None:
    """Return what people judged of the rows of `board`: None where nobody judged any."""
    found = read_judgement(folder)
    models = {row.result.model for row in board.rows}
    there = found.models if found else ()
    judged = [each for each in there if each.model in models and (each.pairs or each.singles)]
    if found is None or not judged:
        return None
    current = [each for each in judged if is_of_these_pictures(each, folder)]
    return PeopleSection(
        sentences=[*sentences(found)],
        rows=_rows(current),
        agreement=_agreement(found, {each.model for each in current}),
        outdated=[each.model for each in judged if each not in current],
    )


def _rows(judged: Sequence[Judged]) -> list[PersonRow]:
    strengths = [each.strength for each in judged]
    ends = [x for e in strengths if e for x in (e.value, e.low, e.high) if x is not None]
    low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
    return [
        PersonRow(
            each,
            _number(each.strength, low, high),
            _number(each.hype, 0, 1),
            _number(each.fooled, 0, 1),
        )
        for each in judged
    ]


def _agreement(found: Judgement, models: set[str]) -> list[MetricRow]:
    """Return the metrics in the order of the board's results, of models that are all current."""
    return [
        MetricRow(
            Column(each.metric).title,
            len(each.models),
            _number(each.kendall, -1, 1),
            _number(each.spearman, -1, 1),
        )
        for each in found.agreement
        if models.issuperset(each.models) and is_known(each.metric)
    ]


def _number(estimate: Estimate | None, low: int | float, high: int | float) -> Number:
    """Return an estimate with its bar on a scale from `low` to `high`."""
    if estimate is None or high <= low:
        return Number(*plain(estimate), bar=None)
    scale = high - low
    ends = [None if x is None else _place((x - low) / scale) for x in (estimate.low, estimate.high)]
    at = _place((estimate.value - low) / scale)
    return Number(*plain(estimate), bar=Bar(at, ends[0], ends[1], None, beyond=False))


def _place(share: float) -> float:
    """Return the percentage of a bar's width that a share of the scale is at."""
    return round(100 * (_MARGIN + share * (1 - 2 * _MARGIN)), 1)
