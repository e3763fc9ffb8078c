"""What the votes on a board come to."""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int

from facebench.arena import agreement, davidson, hype
from facebench.arena.davidson import LEFT, NORMAL, RIGHT, TIE, Fit, Pairs
from facebench.arena.hype import Singles
from facebench.arena.pictures import NOISE, REAL, Gallery, gallery
from facebench.arena.trust import is_check, is_passed, trusted
from facebench.arena.votes import FILE, Vote, VoteBook
from facebench.errors import BadInput
from facebench.metrics.paired import sort_key
from facebench.metrics.table import is_known, metric
from facebench.results.judgement import (
    Agreement,
    Estimate,
    Judged,
    Judgement,
    arena_folder,
    write_judgement,
)
from facebench.results.result import Result, read_results

_OUTCOMES = {"left": LEFT, "right": RIGHT, "tie": TIE}
_FEW_JUDGES = 10


def summarize(board: Path) -> Judgement:
    """Read the votes on a board, write ``BOARD/arena/summary.json``, and return what is in it.

    Raises:
        BadInput: nobody has voted, or the board cannot be read.
    """
    path = arena_folder(board) / FILE
    if not path.is_file():
        raise BadInput(f"Nobody has judged {board} yet: facebench arena {board} opens the page.")
    results = read_results(board)
    with VoteBook(path) as book:
        found = judgement([*book.votes()], gallery(board, results), results)
    write_judgement(found, board)
    return found


def judgement(votes: Sequence[Vote], shown: Gallery, results: Sequence[Result] = ()) -> Judgement:
    """Return what votes come to: of judges who count, on pictures that are still there."""
    current = [vote for vote in votes if _is_current(vote, shown)]
    kept = trusted(current)
    answered = [vote for vote in kept.votes if vote.answer != "skip"]
    pairs = [vote for vote in answered if vote.question.kind == "pair"]
    singles = [vote for vote in answered if vote.question.kind == "single"]
    checks = [is_passed(vote) for vote in current if is_check(vote)]
    judges = {vote.question.judge for vote in answered}
    names = [model.name for model in shown.models]
    arrays = _pairs(pairs, names) if pairs else None
    fitted = davidson.fit(arrays, len(names)) if arrays else None
    by_name = _singles(singles)
    models = _models(shown, pairs, by_name, fitted)
    return Judgement(
        judges=len(judges),
        pairs=len(pairs),
        singles=len(singles),
        skipped=len(kept.votes) - len(answered),
        outdated=len(votes) - len(current),
        ties=_ties(pairs, arrays) if arrays else None,
        left=_left(fitted) if fitted else None,
        checks=len(checks),
        failed=checks.count(False),
        mistaken=hype.share(by_name[REAL]) if REAL in by_name else None,
        left_out=kept.left_out,
        models=tuple(models),
        agreement=tuple(_agreement(models, results)),
        notes=tuple(_notes(judges, arrays, fitted, names, shown)),
        created=max((vote.voted for vote in votes), default=""),
    )


def _is_current(vote: Vote, shown: Gallery) -> bool:
    sides = (vote.question.first, vote.question.second)
    there = shown.digests
    return all(s.name == NOISE or there.get(s.name) == s.pictures for s in sides if s)


def _numbers(values: Sequence[Hashable]) -> Int[np.ndarray, " n"]:
    """Return each value's place among the different ones, in the order in which they come."""
    places = {value: i for i, value in enumerate(dict.fromkeys(values))}
    return np.array([places[value] for value in values], np.int64)


def _pairs(votes: Sequence[Vote], names: Sequence[str]) -> Pairs:
    sides = [(v.question.first, v.question.second) for v in votes]
    place = {name: i for i, name in enumerate(names)}
    models = np.array([[place[s.name] for s in both if s] for both in sides], np.int64)
    return Pairs(
        *(models[:, 0], models[:, 1]),
        outcome=np.array([_OUTCOMES[vote.answer] for vote in votes], np.int64),
        judge=_numbers([vote.question.judge for vote in votes]),
        pictures=_numbers([shown for both in sides for shown in both]).reshape(-1, 2),
    )


def _singles(votes: Sequence[Vote]) -> dict[str, Singles]:
    """Return the judgements of each model's pictures, and of photographs, by name."""
    names = [vote.question.first.name for vote in votes]
    right = ["real" if name == REAL else "generated" for name in names]
    wrong = np.array([v.answer != each for v, each in zip(votes, right, strict=True)], bool)
    pictures = _numbers([vote.question.first for vote in votes])
    judges = _numbers([vote.question.judge for vote in votes])
    masks = {name: np.array([each == name for each in names]) for name in dict.fromkeys(names)}
    return {
        name: Singles(wrong[mask], pictures[mask], judges[mask]) for name, mask in masks.items()
    }


def _ties(votes: Sequence[Vote], pairs: Pairs) -> Estimate:
    return hype.share(Singles(pairs.outcome == TIE, pairs.pictures[:, 0], pairs.judge))


def _left(fitted: Fit) -> Estimate:
    """Return the share of preferences that fall on the left between equals."""
    value, error = fitted.left
    ends = (value, value - NORMAL * error, value + NORMAL * error)
    return Estimate(*(float(1 / (1 + np.exp(-x))) for x in ends))


def _models(
    shown: Gallery, pairs: Sequence[Vote], singles: Mapping[str, Singles], fitted: Fit | None
) -> list[Judged]:
    """Return what is known of each model, the strongest first."""
    ranks = davidson.ranks(fitted) if fitted else []
    real, found = singles.get(REAL), []
    for i, model in enumerate(shown.models):
        own, theirs = singles.get(model.name), [*_points(pairs, model.name)]
        found.append(
            Judged(
                model=model.name,
                pictures=model.digest,
                strength=_strength(fitted, i) if fitted and theirs else None,
                rank=ranks[i] if fitted and theirs else None,
                pairs=len(theirs),
                won=sum(theirs),
                hype=hype.error_rate(own, real) if own and real else None,
                fooled=hype.share(own) if own else None,
                singles=len(own.wrong) if own else 0,
            )
        )
    return sorted(found, key=lambda m: -m.strength.value if m.strength else np.inf)


def _points(votes: Sequence[Vote], name: str) -> Iterator[float]:
    """Yield 1 for every pair that a model won, ½ for a tie, 0 for one that it lost."""
    for vote in votes:
        both = (vote.question.first, vote.question.second)
        for side, shown in zip(("left", "right"), both, strict=True):
            if shown and shown.name == name:
                yield 0.5 if vote.answer == "tie" else float(vote.answer == side)


def _strength(fitted: Fit, model: int) -> Estimate:
    value = float(fitted.strengths[model])
    half = NORMAL * fitted.error(fitted.contrast(model))
    return Estimate(value, value - half, value + half)


def _agreement(models: Sequence[Judged], results: Sequence[Result]) -> Iterator[Agreement]:
    """Yield how far each metric's order is that of people, among models of one protocol."""
    strengths = {each.model: each.strength.value for each in models if each.strength}
    groups = defaultdict[str, list[Result]](list)
    for result in results:
        if result.model in strengths and not result.is_sanity:
            groups[repr(result.protocol)].append(result)
    for group in groups.values():
        for key in dict.fromkeys(key for result in group for key in result.metrics):
            if is_known(key):
                yield from _agreement_of(key, group, strengths)


def _agreement_of(
    key: str, group: Sequence[Result], strengths: dict[str, float]
) -> Iterator[Agreement]:
    better = metric(key).better
    goodness = {r.model: -sort_key(r.metrics.get(key), better) for r in group}
    models = [model for model, value in goodness.items() if np.isfinite(value)]
    if len(models) < agreement.LEAST:
        return
    x = np.array([strengths[model] for model in models])
    y = np.array([goodness[model] for model in models])
    tau, rho = agreement.kendall(x, y), agreement.spearman(x, y)
    if tau is not None and rho is not None:
        yield Agreement(
            *(key, tuple(models)),
            kendall=agreement.kendall_estimate(tau, len(models)),
            spearman=agreement.spearman_estimate(rho, len(models)),
        )


def _notes(
    judges: set[str],
    pairs: Pairs | None,
    fitted: Fit | None,
    names: Sequence[str],
    shown: Gallery,
) -> Iterator[str]:
    """Yield what must be known beside the numbers."""
    if len(judges) == 1:
        yield "Of one judge: the intervals tell what more votes of the same person would say."
    elif 0 < len(judges) < _FEW_JUDGES:
        yield f"Of {len(judges)} judges: for what others would say, intervals may be too short."
    if pairs and not davidson.is_connected(pairs, _judged(pairs)):
        yield (
            "Some models were never compared with the others, not even by way of third ones: how "
            "they stand to each other is the prior's word, and their intervals are wide."
        )
    if shown.missing:
        yield f"Without pictures, and so not judged: {', '.join(shown.missing)}."
    if shown.real is None:
        yield "The board has no pictures of real images: no single picture is judged."


def _judged(pairs: Pairs) -> list[int]:
    return sorted({*pairs.left.tolist(), *pairs.right.tolist()})
