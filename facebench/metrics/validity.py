"""Which metric sees what, as our own experiments found: the table of docs/validity.md, to be read.

``validity.csv`` holds a line for each metric and check, written by ``make validity``.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, get_args

from facebench.errors import BadInput

Verdict = Literal[
    "sees", "sees late", "not monotone", "misses", "is fooled", "stands still", "moves", "not asked"
]
"""What a metric made of a check: it called the set worse from the weakest strength that a person
sees ("sees"), from a stronger one only ("sees late"), so but not the more so the stronger it was
("not monotone"), at none ("misses"), or it called the set better ("is fooled"). Where nothing was
wrong it called a difference as rarely as it should ("stands still") or did not ("moves"). A metric
that is not read for what is wrong is "not asked"."""
FAILURES: tuple[Verdict, ...] = ("is fooled", "misses", "moves", "not monotone", "sees late")
"""The worst first."""
WORST = FAILURES[:3]
"""What is never seen, or seen wrongly."""
_SAID: dict[Verdict, str] = {
    "is fooled": "is fooled by {}",
    "misses": "does not see {}",
    "moves": "does not stand still: {}",
    "not monotone": "does not grow with the strength of {}",
    "sees late": "sees {} late",
}


@dataclass(frozen=True)
class Finding:
    """What one metric made of one check."""

    metric: str
    """The metric's key, whatever the extractor."""
    check: str
    extractor: str
    n: int
    """Images a side."""
    data: str
    """Which faces: "painted" or "celeba"."""
    verdict: Verdict
    figure: str
    """What decided, e.g. "15% of another face: called worse in 3 of 20 trials, 1.31 → 1.34"."""

    @property
    def conditions(self) -> str:
        """With what it was found."""
        faces = {"painted": "painted faces", "celeba": "CelebA"}.get(self.data, self.data)
        return f"{self.extractor}, N = {self.n:,}, {faces}"


@cache
def all_findings() -> tuple[Finding, ...]:
    """Return the whole table.

    Raises:
        BadInput: for a table that is damaged.
    """
    text = (files("facebench.metrics") / "validity.csv").read_text(encoding="utf-8")
    return tuple(map(_finding, csv.DictReader(text.splitlines())))


def findings(key: str) -> tuple[Finding, ...]:
    """Return what was found of the metric `key`; nothing where it was not measured.

    >>> {finding.metric for finding in findings("fid")} <= {"fid"}
    True
    """
    return tuple(finding for finding in all_findings() if finding.metric == key)


def sentences(key: str, failures: Sequence[Verdict] = FAILURES) -> list[str]:
    """Return the checks that the metric `key` failed, the worst first, each with its figure.

    Of each check, extractor and kind of faces only the largest N is told; what fails alike
    elsewhere is told once, of the first that is in the table.
    """
    told: dict[tuple[str, Verdict], Finding] = {}
    for finding in _of_largest_n(findings(key)):
        if finding.verdict in failures:
            told.setdefault((finding.check, finding.verdict), finding)
    by_gravity = sorted(told.values(), key=lambda each: FAILURES.index(each.verdict))
    return [_sentence(finding) for finding in by_gravity]


def _of_largest_n(found: tuple[Finding, ...]) -> Iterator[Finding]:
    best: dict[tuple[str, str, str], Finding] = {}
    for finding in found:
        place = finding.check, finding.extractor, finding.data
        if place not in best or best[place].n < finding.n:
            best[place] = finding
    yield from best.values()


def _sentence(finding: Finding) -> str:
    said = _SAID[finding.verdict].format(finding.check)
    return f"{said} ({finding.figure}; {finding.conditions})"


def _finding(row: dict[str, str]) -> Finding:
    verdict = row.get("verdict")
    if verdict not in get_args(Verdict) or not row["n"].isdecimal():
        raise BadInput("The table of checks, validity.csv, is damaged: install facebench again.")
    return Finding(**{**row, "n": int(row["n"])})  # type: ignore[arg-type]
