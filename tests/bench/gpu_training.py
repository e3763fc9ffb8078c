"""Training steps on the card."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
from gpu_timing import DEVICE, SIDE, Bench, Case, Row, Watch, Work, in_turns, noise, rates

POOL = 2048  # images to learn


def headings(bench: Bench) -> list[str]:
    """Return the table's."""
    return ["model", "arithmetic", "images a step", "steps/s (slowest–fastest turn)", "card idle"]


def cases(bench: Bench) -> list[Case]:
    """Return the trainers, with weights in float32 and arithmetic in it or in bfloat16."""
    return [
        Case(f"{model} step in {'bf16' if mixed else 'fp32'}", partial(steps, make, mixed))
        for model, make in (("VAE", vae), ("DCGAN", dcgan))
        for mixed in (False, True)
    ]


def steps(make: Callable[[Mapping[str, Any]], Any], mixed: bool, bench: Bench) -> Iterator[Row]:
    """Time training steps, the losses looked at once in so many."""
    learner, taken = make({**bench.sizes.learnt, "mixed_precision": mixed}), 0

    def some(count: int) -> None:
        nonlocal taken
        for _ in range(count):
            taken += 1
            losses = learner.step(taken)
        if not all(np.isfinite(float(loss)) for loss in losses.values()):
            raise RuntimeError(f"the losses are {losses}")

    count = bench.sizes.steps
    times = in_turns({"": partial(some, count)}, bench)[""]
    name = type(learner).__name__.removesuffix("Learner")
    arithmetic = "bf16, weights in fp32" if mixed else "fp32"
    cells = [name, arithmetic, str(learner.images_per_step), rates(count, times)]
    yield Row([*cells, idle(partial(some, count), bench)])


def idle(work: Work, bench: Bench) -> str:
    """Return the share of time for which the card is idle while `work` lasts."""
    watch = Watch(bench.is_pretended)
    watch.start()
    work()
    return watch.stop()


def vae(changed: Mapping[str, Any]) -> Any:
    """Return the VAE's learner, with the trainer's own options."""
    from facebench.training.parallel import ALONE
    from facebench_vae.learner import VAELearner
    from facebench_vae.train import command

    config = {**options(command), **changed}
    return VAELearner(config, noise(POOL), DEVICE, ALONE)


def dcgan(changed: Mapping[str, Any]) -> Any:
    """Return the DCGAN's learner on torch, with the trainer's own options."""
    from facebench_dcgan.train import LABEL_NOISE, LR, command
    from facebench_keras.runtime import start_keras

    start_keras("torch")
    from facebench_dcgan.learner import DCGANLearner

    config = {**options(command), **changed, "label_noise": LABEL_NOISE, "lr": LR}
    return DCGANLearner(config, noise(POOL))


def options(command: Any) -> dict[str, Any]:
    """Return what a trainer's run has if nothing is asked for."""
    import click

    context = click.Context(command)
    return {each.name: each.get_default(context) for each in command.params} | {"size": SIDE}
