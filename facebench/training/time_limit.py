"""Training by the clock: as many steps as fit into some minutes, so that no schedule is cut short.

How long a step takes is measured before the first one, on steps that are taken back, and for long
enough that what else the machine does for some seconds counts little. The run is then one of so
many steps, as if ``--steps`` had asked for them: what is learnt depends on their number alone. Only
where steps turn out slower after all, it ends early, when the time is up.
"""

import math
import time
from statistics import median

import click

from facebench.training.learner import Learner
from facebench.training.parallel import ALONE, Group

TIME_IS_UP = 1
"""Asked of the loop as signals are: the number of SIGHUP, which the loop does not catch."""
_FOR_STEPS = 0.85  # of the time; the rest is for samples, scores and checkpoints
_SOME = 8  # steps, timed together, for a GPU is waited for after each such turn
_MEASURING = 0.02  # of the time, for all turns
_LONG, _VERY_LONG = 0.01, 0.5  # shares of the time, for a step


class TimeLimit:
    """What is left of `minutes` of training, of which some seconds are used; or no limit."""

    def __init__(self, minutes: int | float | None, used: float = 0.0):
        if minutes is not None:  # it brings torch, and loading that is no time of training
            from facebench.training import random_state  # noqa: F401
        self.minutes = minutes
        self._end = math.inf if minutes is None else time.monotonic() + 60 * minutes - used

    @property
    def left(self) -> float:
        """The seconds that are left; none or less when the time is up."""
        return self._end - time.monotonic()

    @property
    def asked(self) -> int | None:
        """TIME_IS_UP, when it is."""
        return TIME_IS_UP if self.left <= 0 else None

    def fitting_steps(self, learner: Learner, done: int, group: Group = ALONE) -> int:
        """Return after how many steps to end, of which `done` are taken: `learner.steps` at most.

        The learner is left as it was. All processes of a `group` measure, and take the first one's
        number.
        """
        from facebench.training.random_state import own_randomness  # here, for it brings torch

        wanted, kept = learner.steps - done, learner.state()
        if wanted <= 0:
            return done
        with own_randomness():  # a framework may draw from its own generators
            seconds = self._measure(learner, wanted, group)
        learner.restore(kept)
        room = _FOR_STEPS * max(self.left, 0.0) / seconds
        fitting: int = group.gather(max(int(min(wanted, room)), 1))[0]
        if group.leads:
            many = "all" if fitting == wanted else "as many as"
            each = "each" if fitting > 1 else "when one was tried"
            told = f"{done + fitting} steps, {seconds:.2g} seconds {each}: {many} fit into"
            click.echo(f"{told} {self.minutes:g} minutes.", err=True)
        return done + fitting

    def _measure(self, learner: Learner, wanted: int, group: Group) -> float:
        """Return the seconds that a step takes: of a later one, for the first may compile."""
        first = _timed(learner, 1)
        if self._share(first, group) > _VERY_LONG or self._share(first * wanted, group) < 1:
            return first
        second = _timed(learner, 1)
        return second if self._share(second, group) > _LONG else self._typical(learner, group)

    def _typical(self, learner: Learner, group: Group) -> float:
        """Return the median of some turns: one during which the machine was busy says little."""
        turns = [_timed(learner, _SOME)]
        while self._share(_SOME * sum(turns), group) < _MEASURING:
            turns.append(_timed(learner, _SOME))
        return median(turns)

    def _share(self, seconds: float, group: Group) -> float:
        """Return how much of what is left so many seconds are, as the first process sees it."""
        share: float = group.gather(seconds / max(_FOR_STEPS * self.left, 1e-9))[0]
        return share


def _timed(learner: Learner, count: int) -> float:
    """Return the mean seconds of `count` steps."""
    started = time.monotonic()
    for number in range(1, count + 1):
        losses = learner.step(number)
    _ = [float(loss) for loss in losses.values()]  # a GPU is waited for
    return max((time.monotonic() - started) / count, 1e-6)
