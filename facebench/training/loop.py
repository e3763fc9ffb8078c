"""The training loop: the same for every trainer."""

import math
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

import click
import numpy as np
from rich.progress import Progress

from facebench.data.grid import grid
from facebench.sampler import Images, latents
from facebench.training import report
from facebench.training.checkpoints import Checkpoint, Checkpoints
from facebench.training.interrupt import interruptible
from facebench.training.learner import Diverged, Learner
from facebench.training.options import Plan
from facebench.training.progress_bar import progress_bar
from facebench.training.run import Run
from facebench.training.sliced_wasserstein import IMAGES, sliced_wasserstein

CONTROL_SEEDS = range(36)
SCORE_SEEDS = range(1_000_000, 1_000_000 + IMAGES)
"""Far from the seeds that evaluations begin with."""


def fit(
    run: Run,
    learner: Learner,
    plan: Plan,
    *,
    after_log: Callable[[int, Mapping[str, float], float], None] = lambda *_: None,
    finish: Callable[[], None] = lambda: None,
    agree: Callable[[int | None], int | None] = lambda asked: asked,
) -> None:
    """Train from the newest checkpoint, or from the start, to the last step; write the model.

    A run may end earlier or later than it was begun for: it goes on from the newest checkpoint
    that is not after its last step.

    Args:
        run: the folder to write.
        learner: what is trained.
        plan: how often to log, draw and keep; whether to go on.
        after_log: called with step, losses and seconds whenever losses are logged.
        finish: called when the weights to export are chosen, to add pictures and numbers.
        agree: called after each step with the signal that asked to stop, if any did; returns the
            one that all processes obey.
    """
    _Loop(run, learner, plan, after_log, agree).train()
    chosen = report.choose(run, learner, plan)
    finish()
    run.save_grid("final", control_images(learner))
    report.finish(run, learner, chosen)


def control_images(learner: Learner) -> Images:
    """Return what the model as it is now makes of the fixed latents."""
    sampler = learner.sampler()
    z = latents(CONTROL_SEEDS, sampler.latent_dim)
    return sampler.decode(z * np.float32(learner.control_scale))


class _Loop:
    def __init__(
        self,
        run: Run,
        learner: Learner,
        plan: Plan,
        after_log: Callable[..., None],
        agree: Callable[[int | None], int | None],
    ):
        self.run, self.learner, self.plan, self.after_log = run, learner, plan, after_log
        self.agree = agree
        self.checkpoints = Checkpoints(run.checkpoints)
        self.origin = self.checkpoints.last_until(learner.steps) if plan.resume else None
        self.done = self.origin.step if self.origin else 0
        self.seconds = self.origin.seconds if self.origin else 0.0
        self._restore()
        self.started = self.kept = time.monotonic()
        self.logged = self.done, self.started

    def train(self) -> None:
        """Take the steps that are left."""
        from facebench.training.tensorboard import Events  # here, for it takes a while

        steps = self.learner.steps
        events = closing(Events(self.run.folder, min(self.done, steps - 1)))
        with events as self.events, interruptible() as interrupt, progress_bar() as bar:
            task = bar.add_task(
                self.run.config["adapter"], total=steps, completed=self.done, note=""
            )
            if self.origin and self.done == steps:  # taken, but not as the last one
                self._record(steps, self.origin.losses, bar, task)
            for step in range(self.done + 1, steps + 1):
                losses = self.learner.step(step)
                self._record(step, losses, bar, task)
                bar.advance(task)
                asked = self.agree(interrupt.asked)
                if asked and step < steps:
                    self._stop(step, losses, 128 + asked)

    def _restore(self) -> None:
        """Become what the checkpoint is, or begin anew; forget what came after."""
        newest, steps = self.origin, self.learner.steps
        self.run.begin()
        if newest is None:
            if self.plan.resume and self.run.history():
                click.echo(f"No checkpoint of {steps} steps or less: beginning anew.", err=True)
            self.run.start_over()
            return
        click.echo(f"Going on after step {newest.step} of {steps}.", err=True)
        self.learner.restore(newest.read())
        self.checkpoints.forget_after(newest.step)
        self.run.rewind(min(newest.step, steps - 1))  # the last step is recorded once more

    def _record(self, step: int, losses: Mapping[str, Any], bar: Progress, task: Any) -> None:
        """Log, draw and keep what is due at `step`; at the last one, everything."""
        plan, last = self.plan, step == self.learner.steps
        if last or step % plan.log_every == 0:
            bar.update(task, note=self._log(step, losses))
        if last or step % plan.grid_every == 0:
            self._draw(step)
        minutes = (time.monotonic() - self.kept) / 60
        if last or step % plan.checkpoint_every == 0 or minutes >= plan.checkpoint_minutes:
            self._keep(step, losses)

    def _log(self, step: int, losses: Mapping[str, Any]) -> str:
        values = self._finite(step, losses)
        now, (before, then) = time.monotonic(), self.logged
        speed = (step - before) * self.learner.images_per_step / max(now - then, 1e-9)
        self.logged = step, now
        self.run.log(step, **values, seconds=round(self._elapsed(), 2))
        self.events.scalars(step, **values, images_per_second=speed)
        self.after_log(step, values, self._elapsed())
        shown = "  ".join(f"{name} {_short(value)}" for name, value in values.items())
        return f"{shown}  {speed:.0f} images/s"

    def _draw(self, step: int) -> None:
        images = control_images(self.learner)
        self.run.save_grid(self.run.grid_path(step).stem, images)
        self.events.image(step, "samples", grid(images))

    def _keep(self, step: int, losses: Mapping[str, Any]) -> None:
        values = self._finite(step, losses)
        score = self._score()
        self._save(step, score, values)
        self.run.log(step, score=score)
        self.events.scalars(step, score=score)

    def _save(self, step: int, score: float | None, losses: Mapping[str, float]) -> Checkpoint:
        state = self.learner.state()
        try:
            kept = self.checkpoints.save(state, step, self._elapsed(), score, losses)
        except Diverged as error:
            raise self._diverged(str(error)) from None
        self.kept = time.monotonic()
        return kept

    def _score(self) -> float:
        real = self.run.scored[:]
        return sliced_wasserstein(real, self.learner.sampler().sample(SCORE_SEEDS[: len(real)]))

    def _finite(self, step: int, losses: Mapping[str, Any]) -> dict[str, float]:
        values = {name: float(loss) for name, loss in losses.items()}
        if not all(map(math.isfinite, values.values())):
            raise self._diverged(f"The losses are no longer finite at step {step}.")
        return values

    def _diverged(self, what: str) -> Diverged:
        newest = self.checkpoints.newest()
        kept = f"The last good checkpoint is {newest.path}. " if newest else ""
        return Diverged(f"{what} {kept}Try another --seed or a smaller --lr, with another --out.")

    def _stop(self, step: int, losses: Mapping[str, Any], code: int) -> None:
        kept = self._save(step, None, self._finite(step, losses))
        click.echo(
            f"Stopped after step {step} of {self.learner.steps}; all is kept in {kept.path}.\n"
            f"Go on with:  {report.command_line()}",
            err=True,
        )
        sys.exit(code)

    def _elapsed(self) -> float:
        return self.seconds + time.monotonic() - self.started


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3f}"
