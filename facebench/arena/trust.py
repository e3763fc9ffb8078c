"""Whose votes count: attention checks, and judges who press one key only."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from facebench.arena.pictures import NOISE
from facebench.arena.votes import Vote
from facebench.results.judgement import LeftOut

CHECKS, FAILING = 4, 0.25
"""Who failed more than this share of at least so many attention checks is left out."""
PREFERENCES, ONE_SIDED = 20, 0.95
"""So is who preferred one side in at least this share of at least so many pairs."""
INATTENTIVE = "failed more than a quarter of their attention checks"
ONE_KEY = "preferred the same side in 95 % of their pairs or more"


@dataclass(frozen=True)
class Trusted:
    """The votes of judges who count, and why others do not."""

    votes: Sequence[Vote]
    left_out: tuple[LeftOut, ...]


def trusted(votes: Sequence[Vote]) -> Trusted:
    """Return the votes without those of judges who failed."""
    by_judge = defaultdict[str, list[Vote]](list)
    for vote in votes:
        by_judge[vote.question.judge].append(vote)
    whys = {judge: _why_not(theirs) for judge, theirs in by_judge.items()}
    return Trusted(
        [vote for vote in votes if not whys[vote.question.judge]],
        tuple(_left_out(by_judge, whys)),
    )


def _left_out(by_judge: dict[str, list[Vote]], whys: dict[str, str | None]) -> Iterator[LeftOut]:
    for why in (INATTENTIVE, ONE_KEY):
        judges = [judge for judge, each in whys.items() if each == why]
        if judges:
            yield LeftOut(why, len(judges), sum(len(by_judge[judge]) for judge in judges))


def _why_not(votes: Sequence[Vote]) -> str | None:
    """Say why a judge's votes do not count; None where they do."""
    outcomes = [is_passed(vote) for vote in votes if is_check(vote)]
    if len(outcomes) >= CHECKS and outcomes.count(False) > FAILING * len(outcomes):
        return INATTENTIVE
    pairs = [vote.answer for vote in votes if vote.question.kind in ("pair", "check")]
    sides = [pairs.count(side) for side in ("left", "right")]
    if sum(sides) >= PREFERENCES and max(sides) >= ONE_SIDED * sum(sides):
        return ONE_KEY
    return None


def is_check(vote: Vote) -> bool:
    """Say whether it answers an attention check."""
    return vote.question.kind == "check" and vote.answer != "skip"


def is_passed(vote: Vote) -> bool:
    """Say whether a check was answered by the photograph."""
    return vote.answer == ("right" if vote.question.first.name == NOISE else "left")
