"""From the trials' values to verdicts, each with the figure that decides."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.stats import binom, t
from validity_checks import Check
from validity_trials import BASE, Line, Lines

from facebench.metrics.metric import Metric
from facebench.metrics.paired import LEVEL, difference, sort_key
from facebench.metrics.validity import Verdict
from facebench.results.result import Value

POWER = 0.8
"""What is seen is called in this share of the trials."""
FOOLED = 0.2
"""What is called better in more of them fools a metric."""
ALARMS = 0.07
"""In what share of trials a difference may be called where there is none."""
_SLACK = 0.05  # a count of false alarms is too large where it has a smaller probability than this
_CHANCE = 0.001
_FEW_TRIALS = 5
"""How rarely noise alone may give a verdict of one of the table's thousands of strengths."""
_FEWEST = 5  # trials for a test of whether the badness falls
_STEP = 0.1  # of the whole effect: a fall that counts where trials are too few for a test


@dataclass(frozen=True)
class Strength:
    """What the trials said of one strength of a check."""

    said: str
    trials: int
    worse: int
    better: int
    ideal: float
    """The mean value of the set that it is compared with."""
    value: float
    falls: bool
    """Whether it is less bad than a weaker strength, beyond noise."""
    p: float
    """The median p-value."""

    @property
    def is_seen(self) -> bool:
        """Whether it is called worse as often as it should be."""
        return self.worse >= POWER * self.trials

    @property
    def moves(self) -> bool:
        """Whether it is called more often than it should be where nothing is wrong.

        Of very few trials their number can tell nothing: then all must be called, and clearly.
        """
        if self.trials < _FEW_TRIALS:
            return self.called == self.trials and self.p < _CHANCE
        return float(binom.sf(self.called - 1, self.trials, ALARMS)) < _SLACK

    @property
    def is_fooled(self) -> bool:
        """Whether it is called better, beyond the one in forty that noise may be."""
        by_chance = binom.sf(self.better - 1, self.trials, LEVEL / 2)
        return self.better > FOOLED * self.trials and by_chance < _CHANCE

    @property
    def called(self) -> int:
        """How often it is called different."""
        return self.worse + self.better


@dataclass(frozen=True)
class Judged:
    """A verdict and its figure."""

    verdict: Verdict
    decides: Strength
    strengths: tuple[Strength, ...]
    is_still: bool
    """Whether nothing was wrong, so that any difference counts."""

    @property
    def figure(self) -> str:
        """What decided, in words."""
        s = self.decides
        direction = "better" if self.verdict == "is fooled" else "worse"
        count = s.better if self.verdict == "is fooled" else s.worse
        if self.is_still:
            direction, count = "different", s.called
        said = f"{s.said}: called {direction} in {count} of {s.trials} trials"
        chance = f", p = {s.p:.2g}" if s.trials < 5 else ""
        return f"{said}, {_short(s.ideal)} → {_short(s.value)}{chance}"


def judge(lines: Lines, row: Metric, check: Check) -> Judged | None:
    """Return the verdict of a metric on a check; None where it was not measured."""
    strengths = _strengths(lines, row, check)
    if not strengths:
        return None
    if check.aspect is None:
        return Judged(*_of_still(strengths, row, check), tuple(strengths), check.aspect is None)
    return Judged(*_of_wrong(strengths, row, check), tuple(strengths), check.aspect is None)


def _of_still(strengths: Sequence[Strength], row: Metric, check: Check) -> tuple[Verdict, Strength]:
    """Return whether a metric stands still, as far as the number of trials can tell."""
    if check.of_shares and row.better != "higher":  # a distance from other real images is another
        return "not asked", strengths[-1]
    moving = [s for s in strengths if s.moves]
    return ("moves", moving[-1]) if moving else ("stands still", strengths[-1])


def _of_wrong(strengths: Sequence[Strength], row: Metric, check: Check) -> tuple[Verdict, Strength]:
    fooled = [s for s in strengths if s.is_fooled]
    if fooled:
        return "is fooled", max(fooled, key=lambda s: s.better / s.trials)
    if check.aspect not in row.looks_at:
        return "not asked", strengths[-1]
    unseen = [s for s in strengths if not s.is_seen]
    if len(unseen) == len(strengths):
        return "misses", strengths[-1]
    falling = [s for s in strengths if s.falls] + unseen[-1:] * (not strengths[-1].is_seen)
    if falling:
        return "not monotone", falling[0]
    return ("sees late", unseen[-1]) if unseen else ("sees", strengths[0])


def _strengths(lines: Lines, row: Metric, check: Check) -> list[Strength]:
    """Return what was measured, from the weakest to the strongest."""
    every = {said: _pairs(lines, row, check, k) for k, said in enumerate(check.strengths)}
    known = {said: pairs for said, pairs in every.items() if pairs}
    badness = [{k: sort_key(b, row.better) for k, (_, b) in p.items()} for p in known.values()]
    ideal = [sort_key(a, row.better) for pairs in known.values() for a, _ in pairs.values()]
    effects = [np.mean([*each.values()]) - np.mean(ideal) for each in badness]
    whole = float(np.max(np.abs(effects), initial=0.0))
    falls = [False, *(_falls(a, b, whole) for a, b in pairwise(badness))]
    return [
        _strength(said, row, list(pairs.values()), fell)
        for (said, pairs), fell in zip(known.items(), falls, strict=False)
    ]


def _pairs(lines: Lines, row: Metric, check: Check, level: int) -> dict[int, tuple[Value, Value]]:
    base = "" if check.base is None else check.name
    found = {}
    for trial in range(lines.trials):
        ideal = lines.values.get(Line(row.key, base, BASE, trial))
        changed = lines.values.get(Line(row.key, check.name, level, trial))
        if ideal is not None and changed is not None:
            found[trial] = ideal, changed
    return found


def _strength(
    said: str, row: Metric, pairs: Sequence[tuple[Value, Value]], falls: bool
) -> Strength:
    tests = [difference(ideal, changed, row.better) for ideal, changed in pairs]
    verdicts = [test.verdict for test in tests]
    chances = [test.p for test in tests if test.p is not None]
    return Strength(
        said,
        len(pairs),
        verdicts.count("first"),
        verdicts.count("second"),
        float(np.mean([ideal.value for ideal, _ in pairs])),
        float(np.mean([changed.value for _, changed in pairs])),
        falls,
        float(np.median(chances)) if chances else float("nan"),
    )


def _falls(before: dict[int, float], now: dict[int, float], whole: float) -> bool:
    """Return whether the badness fell from one strength to the next beyond noise.

    Args:
        before: the badness at the weaker strength, by trial.
        now: at the stronger one.
        whole: the largest effect of the check, which counts where trials are too few for a test.
    """
    steps = np.array([now[trial] - before[trial] for trial in now if trial in before])
    if len(steps) < _FEWEST:
        return bool(len(steps) and (steps < -_STEP * whole).all())
    error = steps.std(ddof=1) / np.sqrt(len(steps))
    return bool(steps.mean() < t.ppf(_CHANCE, len(steps) - 1) * error)


def _short(value: float) -> str:
    return f"{value:.3g}"
