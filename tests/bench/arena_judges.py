"""Simulated judges of known strengths, and boards of rendered faces for them to judge."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Float64, UInt8
from PIL import Image, ImageFilter

from facebench.arena.davidson import Pairs, fit
from facebench.arena.pictures import NOISE, REAL, Contestant, Gallery
from facebench.arena.votes import Question, Shown, Vote
from facebench.data.grid import grid
from facebench.results.result import Protocol, Result, Value, write_result
from facebench.synth import render

DIGEST = "0123456789ab" + "c" * 52
PROTOCOL = Protocol(
    *("faces", DIGEST, "holdout", "none", 64, "none", "random", {}, "float32", 36, 36)
)


def lay_board(folder: Path, models: dict[str, float], real: bool = True) -> Path:
    """Lay down results and sample grids of models that blur faces by so many pixels."""
    (folder / "samples").mkdir(parents=True)
    for number, (name, blur) in enumerate(models.items()):
        metrics = {
            "fd_random": Value(1 + blur, 0.05, 0.9 + blur, 1.1 + blur),
            "recall": Value(0.5 - blur / 10, 0.02, 0.46 - blur / 10, 0.54 - blur / 10),
        }
        result = Result(name, "images", name, str(number) * 64, 0, PROTOCOL, metrics)
        write_result(result, folder)
        _sheet(number, blur).save(folder / "samples" / f"{name}.png")
    if real:
        _sheet(len(models), 0).save(folder / "samples" / f"reference-{DIGEST[:12]}-holdout.png")
    return folder


@cache
def _faces() -> UInt8[np.ndarray, "36 3 64 64"]:
    return render(range(36), 64)


def _sheet(place: int, blur: float) -> Image.Image:
    """Return a sample grid of the same faces, each elsewhere than on other sheets."""
    sheet = grid(np.roll(_faces(), 7 * place, axis=0))
    tiles = [(x, y) for x in range(0, 384, 64) for y in range(0, 384, 64)]
    for x, y in tiles:
        box = (x, y, x + 64, y + 64)
        sheet.paste(sheet.crop(box).filter(ImageFilter.GaussianBlur(blur)), box)
    return sheet


def gallery_of(models: int, pictures: int = 36) -> Gallery:
    """Return a gallery of models without any picture to be seen, for votes that need none."""
    blank = (Image.new("RGB", (1, 1)),) * pictures
    there = tuple(Contestant(f"m{i}", "d", blank) for i in range(models))
    return Gallery(there, Contestant(REAL, "d", blank), ())


@dataclass(frozen=True)
class People:
    """How judges vote: what they have in common, and by how much they and pictures differ."""

    strengths: tuple[float, ...]
    ties: float = 0.5
    """The weight of a tie between equals, beside 1 of either side."""
    left: float = 0.0
    """What the left side is worth, in log-odds."""
    taste: float = 0.0
    """Standard deviation, over judges, of each model's strength."""
    pictures: float = 0.0
    """Standard deviation, over pictures, of a picture's strength."""
    shown: int = 36
    """Pictures of each model."""

    def probabilities(self, eta: Float64[np.ndarray, " votes"]) -> Float64[np.ndarray, "votes 3"]:
        """Return those of left, right and tie."""
        odds = np.stack([np.exp(eta), np.exp(-eta), np.full_like(eta, self.ties)], axis=1)
        return np.asarray(odds / odds.sum(1, keepdims=True))


@dataclass(frozen=True)
class Plan:
    """Who is asked what: so many judges, so many pairs each, of some pairs of models or of all."""

    judges: int
    each: int
    joined: tuple[tuple[int, int], ...] = ()


def pairs_drawn(people: People, plan: Plan, rng: np.random.Generator) -> list[Vote]:
    """Return votes on pairs, balanced over the pairs of models."""
    return as_votes(outcomes(people, plan, rng))


def outcomes(people: People, plan: Plan, rng: np.random.Generator) -> Pairs:
    """Return them as arrays."""
    models, votes = len(people.strengths), plan.judges * plan.each
    pairs = np.array(plan.joined or [(a, b) for a in range(models) for b in range(a)])
    rounds = -(-votes // len(pairs))
    order = rng.permuted(np.tile(np.arange(len(pairs)), (rounds, 1)), axis=1).ravel()[:votes]
    sides = rng.permuted(pairs[order], axis=1)
    picture = rng.integers(0, people.shown, sides.shape)
    judge = np.repeat(np.arange(plan.judges), plan.each)
    tastes = people.taste * rng.standard_normal((plan.judges, models))
    merits = people.pictures * rng.standard_normal((models, people.shown))
    worth = np.array(people.strengths)[sides] + tastes[judge[:, None], sides]
    worth += merits[sides, picture]
    p = people.probabilities((worth[:, 0] - worth[:, 1] + people.left) / 2)
    outcome = (rng.random((len(p), 1)) > p.cumsum(1)).sum(1)
    shown = sides * people.shown + picture
    return Pairs(sides[:, 0], sides[:, 1], outcome, judge, shown)


def truth(people: People, models_joined: tuple[tuple[int, int], ...] = ()) -> list[float]:
    """Return the strengths that endless votes would give, of other judges and pictures each time.

    Where judges and pictures differ they are nearer to 0 than those of one judge.
    """
    plain = replace(people, taste=0.0, pictures=0.0)
    if people == plain:
        return [s - sum(people.strengths) / len(people.strengths) for s in people.strengths]
    # A judge who is asked once differs from the others as pictures do.
    both = replace(people, taste=float(np.hypot(people.taste, people.pictures)), pictures=0.0)
    drawn = outcomes(both, Plan(300_000, 1, models_joined), np.random.default_rng(0))
    return [float(s) for s in fit(drawn, len(people.strengths)).strengths]


def as_votes(pairs: Pairs) -> list[Vote]:
    """Return votes on pairs from their arrays."""
    answers, shown = ("left", "right", "tie"), pairs.pictures.tolist()
    models = np.stack([pairs.left, pairs.right], axis=1).tolist()
    return [
        Vote(
            Question(
                *(f"p{j}-{i}", f"judge {j}", "pair"),
                *(Shown(f"m{m}", "d", n) for m, n in zip(both, numbers, strict=True)),
            ),
            answers[o],
        )
        for i, (both, numbers, j, o) in enumerate(
            zip(models, shown, pairs.judge.tolist(), pairs.outcome.tolist(), strict=True)
        )
    ]


def checks_drawn(judge: str, failing: float, count: int, rng: np.random.Generator) -> list[Vote]:
    """Return a judge's answers to attention checks, of which a share is wrong by design."""
    found = []
    for i in range(count):
        both = [Shown(REAL, "d", i % 36), Shown(NOISE, "", i)]
        right = int(rng.integers(2))
        question = Question(f"c{judge}-{i}", judge, "check", both[1 - right], both[right])
        right_answer = "left" if question.first.name == REAL else "right"
        wrong_answer = "right" if right_answer == "left" else "left"
        found.append(Vote(question, wrong_answer if rng.random() < failing else right_answer))
    return found


def singles_drawn(
    fooled: Sequence[float], mistaken: float, judges: int, each: int,
    rng: np.random.Generator, taste: float = 0.0, pictures: float = 0.0,
) -> list[Vote]:  # fmt: skip
    """Return each judge's answers to single pictures, half of them photographs.

    `taste` and `pictures` are standard deviations in probits: of how readily a judge takes a
    picture for a photograph, and of how much a picture looks like one. The shares stay as given.
    """
    from scipy.special import ndtr, ndtri

    models = len(fooled)
    real = np.tile([True, False], judges * each // 2)
    of = np.where(real, models, rng.permutation(np.arange(len(real)) % models))
    picture = rng.integers(0, 36, len(real))
    judge = np.repeat(np.arange(judges), each)
    shares = np.array([*fooled, 1 - mistaken])
    lean = taste * rng.standard_normal(judges)[judge]
    lean = lean + pictures * rng.standard_normal((models + 1, 36))[of, picture]
    spread = np.sqrt(1 + taste**2 + pictures**2)
    taken = rng.random(len(real)) < ndtr(ndtri(shares[of]) * spread + lean)
    names = [*(f"m{i}" for i in range(models)), REAL]
    return [
        Vote(
            Question(f"s{i}", f"judge {j}", "single", Shown(names[o], "d", int(n))),
            "real" if t else "generated",
        )
        for i, (j, o, n, t) in enumerate(
            zip(judge.tolist(), of.tolist(), picture.tolist(), taken.tolist(), strict=True)
        )
    ]
