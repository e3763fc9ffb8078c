"""The training loop: the same for every trainer."""

import sys
from collections.abc import Callable

import click

from facebench.training import report
from facebench.training.checkpoints import fitting
from facebench.training.interrupt import interruptible
from facebench.training.learner import Learner
from facebench.training.options import Plan
from facebench.training.parallel import ALONE, Group
from facebench.training.recorder import AfterLog, Recorder, control_images
from facebench.training.run import Run
from facebench.training.time_limit import TIME_IS_UP, TimeLimit


def fit(
    run: Run,
    learner: Learner,
    plan: Plan,
    group: Group = ALONE,
    *,
    after_log: AfterLog = lambda *_: None,
    finish: Callable[[], None] = lambda: None,
) -> None:
    """Train from the newest checkpoint, or from the start, to the last step; write the model.

    A run may end earlier or later than it was begun for: it goes on from the newest checkpoint
    that is not after its last step. One of some minutes has as many steps as fit into them.

    Args:
        run: the folder to write.
        learner: what is trained.
        plan: how often to log, sample and keep; whether to go on.
        group: of processes that take the same steps, each with its share of the batch; the first
            one alone writes.
        after_log: called with step, losses and seconds whenever losses are logged.
        finish: called when the weights to export are chosen, to add pictures and numbers.
    """
    origin = run.checkpoints.newest(learner.steps, run.most_seconds)
    origin = origin if plan.resume else None
    if origin:
        with fitting(origin.path, run.config_path, "begin anew with --restart, or another --out"):
            learner.restore(origin.read())
    done = origin.step if origin else 0
    group.require_same_step(done)  # from here on the first process may remove what was there
    with group.all_alive():
        limit = TimeLimit(run.minutes, origin.seconds if origin else 0.0)
        if run.minutes is not None:
            _settle(run, learner, done, limit, group, is_new=origin is None)
        if not group.leads:
            _train(learner, done, limit, group)
            return
        recorder = Recorder(run, learner, plan, origin, after_log)
        with recorder.recording():
            _train(learner, done, limit, group, recorder)
        if run.minutes is not None:
            run.settle(learner.steps)
            run.write_options()
        chosen = report.choose(run, learner, plan)
        finish()
        run.save_grid("final", control_images(learner))
        report.finish(run, learner, chosen)


def _settle(
    run: Run, learner: Learner, done: int, limit: TimeLimit, group: Group, is_new: bool
) -> None:
    """Settle how many steps a run of some minutes has; one whose time is up ends where it is."""
    if is_new or not run.is_settled:
        learner.steps = run.at_most or learner.steps
        learner.steps = limit.fitting_steps(learner, done, group)
    elif group.stop_signal(limit.asked):
        learner.steps = done
    run.settle(learner.steps)


def _train(
    learner: Learner, done: int, limit: TimeLimit, group: Group, recorder: Recorder | None = None
) -> None:
    """Take the steps that are left after step `done`, until the time is up."""
    with interruptible() as interrupt:
        for step in range(done + 1, learner.steps + 1):
            losses = learner.step(step)
            asked = group.stop_signal(interrupt.asked or limit.asked)
            if asked == TIME_IS_UP and step < learner.steps:
                if recorder:
                    told = f"The time is up after step {step} of {learner.steps}"
                    click.echo(f"{told}: schedules are cut short.", err=True)
                learner.steps = step
            if recorder:
                recorder.record(step, losses)
            if step == learner.steps:
                break
            if asked:
                if recorder:
                    recorder.stop(step, losses)
                sys.exit(128 + asked)
