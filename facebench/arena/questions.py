"""What is asked next: every pair of models, every model and every picture about equally often.

A round is ten pairs, one attention check somewhere among them, and ten single pictures, half of
them real, in random order. Which side a picture is on is a throw of a coin.
"""

import secrets
from collections.abc import Sequence
from itertools import combinations
from random import Random

from facebench.arena.pictures import NOISE, Contestant, Gallery
from facebench.arena.votes import Kind, Question, Shown, VoteBook

PAIRS = 10
SINGLES = 10
"""Of a round; HYPE's photographs are half of them (Zhou et al. 2019)."""
_REAL, _GENERATED = "real", "generated"


def next_question(book: VoteBook, gallery: Gallery, judge: str, rng: Random) -> Question:
    """Return the judge's open question, or ask a new one."""
    open_one = book.open_question(judge)
    if open_one and _is_there(open_one, gallery):
        return open_one
    number = book.count(judge)
    question = _make(_kind(gallery, judge, number), book, gallery, judge, rng)
    book.ask(question)
    return question


def _is_there(question: Question, gallery: Gallery) -> bool:
    """Say whether the pictures of a question are still those of the board."""
    shown = [each for each in (question.first, question.second) if each and each.name != NOISE]
    return all(gallery.digests.get(each.name) == each.pictures for each in shown)


def _kind(gallery: Gallery, judge: str, number: int) -> str:
    """Return what question `number` of a judge is: the same, however often it is asked."""
    has_pairs, has_real = len(gallery.models) > 1, gallery.real is not None
    length = has_pairs * (PAIRS + has_real) + has_real * SINGLES
    return round_of(has_pairs, has_real, Random(f"{judge}/{number // length}"))[number % length]


def round_of(has_pairs: bool, has_real: bool, rng: Random) -> list[str]:
    """Return the kinds of a round's questions: without photographs neither checks nor singles."""
    pairs = ["pair"] * PAIRS * has_pairs
    if has_pairs and has_real:
        pairs.insert(rng.randrange(PAIRS + 1), "check")
    singles = [_REAL, _GENERATED] * (SINGLES // 2) * has_real
    rng.shuffle(singles)
    return pairs + singles


def _make(kind: str, book: VoteBook, gallery: Gallery, judge: str, rng: Random) -> Question:
    token = secrets.token_urlsafe(16)
    if kind in (_REAL, _GENERATED):
        of = [gallery.real] if kind == _REAL and gallery.real else _least_judged(book, gallery)
        return Question(
            token, judge, "single", _picture("single", rng.choice(of), book, judge, rng)
        )
    if kind == "check" and gallery.real:
        photograph = _picture("check", gallery.real, book, judge, rng)
        both = [photograph, Shown(NOISE, "", rng.randrange(2**31))]
        shown_as: Kind = "check"
    else:
        both = [_picture("pair", each, book, judge, rng) for each in _pair(book, gallery, rng)]
        shown_as = "pair"
    rng.shuffle(both)
    return Question(token, judge, shown_as, *both)


def _pair(book: VoteBook, gallery: Gallery, rng: Random) -> tuple[Contestant, Contestant]:
    """Return one of the pairs of models that were asked about least."""
    times = book.times_paired()
    pairs = [*combinations(gallery.models, 2)]
    asked = [times[frozenset({a.name, b.name})] for a, b in pairs]
    return rng.choice([pair for pair, n in zip(pairs, asked, strict=True) if n == min(asked)])


def _least_judged(book: VoteBook, gallery: Gallery) -> Sequence[Contestant]:
    shown = book.times_shown("single")
    times = [sum(n for each, n in shown.items() if each.name == m.name) for m in gallery.models]
    return [m for m, n in zip(gallery.models, times, strict=True) if n == min(times)]


def _picture(kind: Kind, of: Contestant, book: VoteBook, judge: str, rng: Random) -> Shown:
    """Return a picture that this judge saw least often, and of those all judges least often."""
    here, all_over = book.times_shown(kind, judge), book.times_shown(kind)
    pictures = [Shown(of.name, of.digest, i) for i in range(len(of.pictures))]
    rng.shuffle(pictures)
    return min(pictures, key=lambda each: (here[each], all_over[each]))
