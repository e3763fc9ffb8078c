"""Training by the clock: as many steps as fit into some minutes, so that no schedule is cut short.

How long a step takes is measured before the first one, on steps that are taken back. The run is
then one of so many steps, as if ``--steps`` had asked for them: what is learnt depends on their
number alone. Where steps turn out slower, it ends when the time is up.
"""

import math
import time

import click

from facebench.training.learner import Learner
from facebench.training.parallel import ALONE, Group

TIME_IS_UP = 1
"""Asked of the loop as signals are, of which none that is caught has a number as small."""
_FOR_STEPS = 0.9  # of the time; the rest is for samples, scores and checkpoints
_MEASURED = 8
_LONG, _VERY_LONG = 0.01, 0.1  # shares of the time, for a step


class TimeLimit:
    """What is left of `minutes` of training, of which some seconds are used; or no limit."""

    def __init__(self, minutes: float | None, used: float = 0.0):
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
        if learner.steps <= done + 1:
            return learner.steps
        kept = learner.state()
        seconds = self._measure(learner, group)
        learner.restore(kept)
        room = max(int(_FOR_STEPS * max(self.left, 0.0) / seconds), 1)
        steps: int = group.gather(min(learner.steps, done + room))[0]
        if group.leads:
            told = f"{steps} steps of {seconds:.2g} seconds fit into {self.minutes:g} minutes."
            click.echo(told, err=True)
        return steps

    def _measure(self, learner: Learner, group: Group) -> float:
        """Return the seconds that a step takes; the first one, which may compile, only if long."""
        first = _timed(learner, 1)
        long = group.gather(first / max(self.left, 1e-9))[0]
        if long > _VERY_LONG:
            return first
        return _timed(learner, 1 if long > _LONG else _MEASURED)


def _timed(learner: Learner, count: int) -> float:
    """Return the mean seconds of `count` steps, of the last ones: networks that grow are grown."""
    started = time.monotonic()
    for number in range(max(learner.steps - count, 0) + 1, learner.steps + 1):
        losses = learner.step(number)
    _ = [float(loss) for loss in losses.values()]  # a GPU is waited for
    return max((time.monotonic() - started) / count, 1e-6)
