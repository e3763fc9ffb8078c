"""HYPE∞: how often people err over single pictures, without a limit of time (Zhou et al. 2019).

Half of the pictures are photographs. A model's error is the mean of two shares: of its pictures
taken for photographs, and of photographs taken for generated. At 0.5 nobody can tell.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int

from facebench.arena.clusters import excess
from facebench.arena.davidson import NORMAL
from facebench.results.judgement import Estimate


@dataclass(frozen=True)
class Singles:
    """Judgements of single pictures, and whether each was wrong."""

    wrong: Bool[np.ndarray, " votes"]
    picture: Int[np.ndarray, " votes"]
    judge: Int[np.ndarray, " votes"]


def share(singles: Singles) -> Estimate:
    """Return the share of wrong answers with Wilson's 95 % interval.

    It is that of as many independent answers as these are worth (see :func:`_worth`).
    """
    p, n = float(singles.wrong.mean()), len(singles.wrong)
    return Estimate(p, *wilson(p, n / _worth([singles])))


def error_rate(generated: Singles, real: Singles) -> Estimate:
    """Return the mean of the two shares of wrong answers, with its 95 % interval.

    Of two Wilson's intervals one is made by the method of variance estimates recovery (Zou and
    Donner 2008), so it stays within 0 and 1 where a share is 0.
    """
    loss = _worth([generated, real])
    shares = [float(each.wrong.mean()) for each in (generated, real)]
    ends = [
        wilson(p, len(each.wrong) / loss) for p, each in zip(shares, (generated, real), strict=True)
    ]
    value = sum(shares) / 2
    down, up = (
        sum((p - end[side]) ** 2 for p, end in zip(shares, ends, strict=True)) ** 0.5 / 2
        for side in (0, 1)
    )
    return Estimate(value, value - down, value + up)


def wilson(share: float, n: int | float) -> tuple[float, float]:
    """Return the ends of Wilson's 95 % interval for a share of `n` answers.

    >>> [round(end, 3) for end in wilson(0.0, 10)]
    [0.0, 0.278]
    """
    middle = (share + NORMAL**2 / (2 * n)) / (1 + NORMAL**2 / n)
    half = NORMAL / (1 + NORMAL**2 / n) * (share * (1 - share) / n + NORMAL**2 / (4 * n**2)) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def _worth(parts: list[Singles]) -> float:
    """Return how many answers are worth an independent one, for the mean of the parts' shares.

    Answers on one picture, and of one judge, have something in common; 1 where they have not.
    """
    scores = np.concatenate([(each.wrong - each.wrong.mean()) / len(each.wrong) for each in parts])
    alone = float(scores @ scores)
    pictures, judges = (
        np.concatenate([getattr(each, name) for each in parts]) for name in ("picture", "judge")
    )
    more = _excess(scores, pictures, judges)
    return 1 + max(more, 0.0) / alone if alone > 0 else 1.0


def _excess(
    scores: Float64[np.ndarray, " votes"],
    pictures: Int[np.ndarray, " votes"],
    judges: Int[np.ndarray, " votes"],
) -> float:
    return float(excess(scores[:, None], pictures[:, None], judges)[0, 0])
