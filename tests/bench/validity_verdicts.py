"""From the trials' values to verdicts, each with the figure that decides."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom
from validity_checks import Check
from validity_trials import BASE, Line, Lines

from facebench.metrics.metric import Metric
from facebench.metrics.paired import difference, sort_key
from facebench.metrics.validity import Verdict
from facebench.results.result import Value

POWER = 0.8
"""What is seen is called in this share of the trials."""
FOOLED = 0.2
"""What is called better in more of them fools a metric."""
ALARMS = (0.03, 0.07)
"""How often a difference may be called where there is none."""
_SLACK = 0.05  # an observed count is off where it has a smaller probability than this


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
    """Whether it is less bad than the strength before, beyond noise."""
    p: float
    """The median p-value."""

    @property
    def is_seen(self) -> bool:
        """Whether it is called worse as often as it should be."""
        return self.worse >= POWER * self.trials

    @property
    def is_fooled(self) -> bool:
        """Whether it is called better."""
        return self.better > FOOLED * self.trials

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

    @property
    def figure(self) -> str:
        """What decided, in words."""
        s = self.decides
        direction = "better" if self.verdict == "is fooled" else "worse"
        count = s.better if self.verdict == "is fooled" else s.worse
        if self.verdict in ("stands still", "moves"):
            direction, count = "different", s.called
        said = f"{s.said}: called {direction} in {count} of {s.trials} trials"
        chance = f", p = {s.p:.2g}" if s.trials < 5 else ""
        return f"{said}, {_short(s.ideal)} → {_short(s.value)}{chance}"


def judge(lines: Lines, row: Metric, check: Check) -> Judged | None:
    """Return the verdict of a metric on a check; None where it was not measured."""
    strengths = _strengths(lines, row, check)
    if not strengths:
        return None
    decided = _of_still(strengths) if check.aspect is None else _of_wrong(strengths, row, check)
    return Judged(*decided, tuple(strengths))


def _of_still(strengths: Sequence[Strength]) -> tuple[Verdict, Strength]:
    """Return whether a metric stands still, as far as the number of trials can tell."""
    moving = [s for s in strengths if binom.sf(s.called - 1, s.trials, ALARMS[1]) < _SLACK]
    return ("moves", moving[-1]) if moving else ("stands still", strengths[-1])


def _of_wrong(strengths: Sequence[Strength], row: Metric, check: Check) -> tuple[Verdict, Strength]:
    fooled = [s for s in strengths if s.is_fooled]
    if fooled:
        return "is fooled", max(fooled, key=lambda s: s.better / s.trials)
    if check.aspect not in row.looks_at:
        return "not asked", strengths[-1]
    if not strengths[-1].is_seen:
        return "misses", strengths[-1]
    if falling := [s for s in strengths if s.falls]:
        return "not monotone", falling[0]
    if strengths[0].is_seen:
        return "sees", strengths[0]
    return "sees late", next(s for s in reversed(strengths) if not s.is_seen)


def _strengths(lines: Lines, row: Metric, check: Check) -> list[Strength]:
    """Return what was measured, from the weakest to the strongest."""
    found: list[Strength] = []
    before: dict[int, float] = {}
    for level, said in enumerate(check.strengths):
        pairs = _pairs(lines, row, check, level)
        if not pairs:
            continue
        badness = {trial: sort_key(changed, row.better) for trial, (_, changed) in pairs.items()}
        found.append(_strength(said, row, list(pairs.values()), _falls(before, badness)))
        before = badness
    return found


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


def _falls(before: dict[int, float], now: dict[int, float]) -> bool:
    """Return whether the badness fell from one strength to the next, by two standard errors."""
    steps = np.array([now[trial] - before[trial] for trial in now if trial in before])
    if len(steps) < 3:
        return bool(len(steps) and (steps < 0).all())
    return bool(steps.mean() < -2 * steps.std(ddof=1) / np.sqrt(len(steps)))


def _short(value: float) -> str:
    return f"{value:.3g}"
