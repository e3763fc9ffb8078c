"""The questions that people ask of a face generator, each with its answer."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from facebench.metrics.table import is_known, title
from facebench.results.result import Result
from facebench_reports.faces_text.groups import groups
from facebench_reports.faces_text.identity import (
    diversity,
    leakage,
    reach_of_leakage,
    way_of_diversity,
)
from facebench_reports.faces_text.looks import attributes, face_rate, pose
from facebench_reports.metric_columns import Column

_REASONS = 3
"""Reasons that are told in full."""
Say = Callable[[Result], Iterator[str]]


@dataclass(frozen=True)
class Answer:
    """One question with what is known of it."""

    question: str
    said: tuple[str, ...]
    """Sentences."""
    reach: tuple[str, ...] = ()
    """How the numbers were found, and how far they reach."""


@dataclass(frozen=True)
class _Question:
    text: str
    row: str
    """The metric that answers it, or the family."""
    say: Say
    reach: Say | None = None
    always: bool = True
    """Whether its absence is said."""


_QUESTIONS = (
    _Question("Are they faces?", "face_rate", face_rate),
    _Question(
        *("Do they look like people of the training set?", "identity_leakage"),
        *(leakage, reach_of_leakage),
    ),
    _Question("How many different people?", "identity_diversity", diversity, way_of_diversity),
    _Question("How are they turned and placed?", "pose", pose),
    _Question("Who is shown?", "share", attributes, always=False),
)


def has_faces(result: Result) -> bool:
    """Return whether anything is known of the faces of `result`, or was tried."""
    return any(is_known(key) and Column(key).is_of_faces for key in _keys(result))


def answers(result: Result) -> list[Answer]:
    """Return what is known of the faces of `result`: also what failed, and what is missing."""
    found = [_answer(question, result) for question in _QUESTIONS]
    found.append(Answer("Is a group shown or exposed worse?", tuple(groups(result))))
    return [answer for answer in found if answer.said]


def _answer(question: _Question, result: Result) -> Answer:
    failed = tuple(_failures(question.row, result))
    if any(_is_of(question.row, key) for key in result.metrics):
        reach = tuple(question.reach(result)) if question.reach else ()
        return Answer(question.text, (*question.say(result), *failed), reach)
    missing = ("This was not measured.",) if question.always else ()
    return Answer(question.text, failed or missing)


def _failures(row: str, result: Result) -> Iterator[str]:
    """Yield what could not be measured and why; those of one reason together."""
    by_reason: dict[str, list[str]] = {}
    for key, why in (result.failed | result.refused).items():
        if _is_of(row, key):
            by_reason.setdefault(why.rstrip("."), []).append(_name(row, key))
    if len(by_reason) > _REASONS:
        (why, (first, *_)), *_ = by_reason.items()
        names = [name for each in by_reason.values() for name in each]
        yield (
            f"Not measured: {', '.join(names)}. Each has its reason in the results, such as, of "
            f"{first}: {why}."
        )
        return
    for why, names in by_reason.items():
        yield f"Not measured: {', '.join(names)}. The reason: {why}."


def _name(row: str, key: str) -> str:
    """Return what a metric, or a member of a family, is called."""
    if row == "share" and key != row:
        return key.removeprefix(f"{row}_").replace("_", " ")
    return title(key) if is_known(key) else key.replace("_", " ")


def _is_of(row: str, key: str) -> bool:
    return key == row or (row in ("pose", "share") and key.startswith(f"{row}_"))


def _keys(result: Result) -> Iterator[str]:
    yield from result.metrics
    yield from result.failed
    yield from result.refused
