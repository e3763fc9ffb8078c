"""What is written while a model trains: numbers, grids of samples, checkpoints and their scores."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import click
import numpy as np

from facebench.data.grid import grid
from facebench.progress import training_bar
from facebench.sampler import Images, latents
from facebench.training.checkpoints import Checkpoint
from facebench.training.going_on import GoingOn
from facebench.training.learner import Diverged, Learner, TranslatorLearner
from facebench.training.options import Plan
from facebench.training.quick_scores import Numbers, QuickScores
from facebench.training.report import command_line
from facebench.training.run import Run
from facebench.training.sliced_wasserstein import IMAGES, sliced_wasserstein

CONTROL_SEEDS = range(36)
SCORE_SEEDS = range(1_000_000, 1_000_000 + IMAGES)
"""Far from the seeds that evaluations begin with."""

Losses = Mapping[str, Any]
"""Of one step, as anything that float takes."""
AfterLog = Callable[[int, Mapping[str, float], float], None]


def control_images(learner: Learner) -> Images:
    """Return what the model as it is now makes of the fixed latents, or of the fixed sources."""
    if isinstance(learner, TranslatorLearner):
        return learner.control_images()
    sampler = learner.sampler()
    z = latents(CONTROL_SEEDS, sampler.latent_dim)
    return sampler.decode(z * np.float32(learner.control_scale))


def scored_images(learner: Learner, real: Images) -> tuple[Images, float]:
    """Return what the model as it is now makes, as many as `real`, and its score by them."""
    if isinstance(learner, TranslatorLearner):
        answers = learner.answers()
        return answers, mean_absolute_error(real, answers)
    samples = learner.sampler().sample(SCORE_SEEDS[: len(real)])
    return samples, sliced_wasserstein(real, samples)


def mean_absolute_error(real: Images, fake: Images) -> float:
    """Return the mean absolute difference of two sets of images in grey levels.

    >>> faces = np.zeros((2, 3, 8, 8), np.uint8)
    >>> mean_absolute_error(faces, faces + np.uint8(3))
    3.0
    """
    pairs = zip(real, fake, strict=True)  # one by one, for they are many in memory as floats
    return float(np.mean([np.abs(a.astype(np.int16) - b).mean() for a, b in pairs]))


class Recorder:
    """Writes what is due after each step of `learner`, which goes on from `origin` or begins."""

    def __init__(
        self, run: Run, learner: Learner, plan: Plan, origin: Checkpoint | None, after_log: AfterLog
    ):
        """Forget what the folder has of later steps."""
        self.run, self.learner, self.plan, self.after_log = run, learner, plan, after_log
        self.origin = origin
        self.done, self.seconds = (origin.step, origin.seconds) if origin else (0, 0.0)
        self._tracked: QuickScores | None = None
        self._going_on = GoingOn()
        self._forget_later_steps()
        self.started = self.kept = time.monotonic()
        self.logged = self.done, self.started

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Open what is written to."""
        from facebench.training.tensorboard import Events  # here, for it takes a while

        name, steps = self.run.config["adapter"], self.learner.steps
        events = closing(Events(self.run.folder, min(self.done, steps - 1)))
        with events as self.events, training_bar() as self.bar:
            self.task = self.bar.add_task(name, total=steps, completed=self.done, note="")
            if self.origin and self.done == steps:  # taken, but not as the last one
                self.record(steps, self.origin.losses)
            yield

    def record(self, step: int, losses: Losses) -> None:
        """Log, sample and keep what is due at `step`; at the last one, everything."""
        plan, last = self.plan, step == self.learner.steps
        if last or step % plan.log_every == 0:
            self._log(step, losses)
        if last or step % plan.grid_every == 0:
            self._save_grid(step)
        minutes = (time.monotonic() - self.kept) / 60
        if last or step % plan.checkpoint_every == 0 or minutes >= plan.checkpoint_minutes:
            self._keep(step, losses)
        self.bar.update(self.task, completed=step)

    def stop(self, step: int, losses: Losses) -> None:
        """Keep all that the next step depends on, and say how to go on."""
        kept = self._save(step, None, self._finite(step, losses))
        click.echo(
            f"Stopped after step {step} of {self.learner.steps}; all is kept in {kept.path}.\n"
            f"Go on with:  {command_line()}",
            err=True,
        )

    def _forget_later_steps(self) -> None:
        origin, steps = self.origin, self.learner.steps
        self.run.begin()
        if origin is None:
            if self.plan.resume and self.run.history():
                click.echo(f"No checkpoint of {steps} steps or less: beginning anew.", err=True)
            self.run.start_over()
            return
        click.echo(f"Going on after step {origin.step} of {steps}.", err=True)
        self.run.checkpoints.forget_after(origin.step)
        self.run.rewind(min(origin.step, steps - 1))  # the last step is recorded once more

    def _log(self, step: int, losses: Losses) -> None:
        values = self._finite(step, losses)
        now, (before, then) = time.monotonic(), self.logged
        speed = (step - before) * self.learner.images_per_step / max(now - then, 1e-9)
        self.logged = step, now
        self.run.log(step, **values, seconds=round(self._elapsed(), 2))
        self.events.scalars(step, **values, images_per_second=speed)
        self.after_log(step, values, self._elapsed())
        shown = "  ".join(f"{name} {_short(value)}" for name, value in values.items())
        self.bar.update(self.task, note=f"{shown}  {speed:.0f} images/s")

    def _save_grid(self, step: int) -> None:
        images = control_images(self.learner)
        self.run.save_grid(f"step-{step:06d}", images)
        self.events.image(step, "samples", grid(images))

    def _keep(self, step: int, losses: Losses) -> None:
        values = self._finite(step, losses)
        real = self.run.scored[:]
        fake, score = scored_images(self.learner, real)
        self._save(step, score, values)
        tracked = self._track(real, fake)
        self.run.log(step, score=score, **tracked)
        self.events.scalars(step, score=score, **tracked)

    def _track(self, real: Images, fake: Images) -> Numbers:
        """Return the same images' distances in portrait's features: none is chosen by.

        They are computed on the CPU, whatever trains.
        """
        with self._going_on.after("Tracking"):
            self._tracked = self._tracked or QuickScores(real)
            return self._tracked.of(fake)
        return {}

    def _save(self, step: int, score: float | None, losses: Mapping[str, float]) -> Checkpoint:
        state = self.learner.state()
        try:
            kept = self.run.checkpoints.save(
                state, step, self._elapsed(), score, losses, self.plan.keep_checkpoints == "all"
            )
        except Diverged as error:
            raise self._diverged(str(error)) from None
        self.kept = time.monotonic()
        return kept

    def _finite(self, step: int, losses: Losses) -> dict[str, float]:
        values = {name: float(loss) for name, loss in losses.items()}
        if not all(map(math.isfinite, values.values())):
            raise self._diverged(f"The losses are no longer finite at step {step}.")
        return values

    def _diverged(self, what: str) -> Diverged:
        newest = self.run.checkpoints.newest()
        kept = f"The last good checkpoint is {newest.path}. " if newest else ""
        return Diverged(f"{what} {kept}Try another --seed or a smaller --lr, with another --out.")

    def _elapsed(self) -> float:
        return self.seconds + time.monotonic() - self.started


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3f}"
