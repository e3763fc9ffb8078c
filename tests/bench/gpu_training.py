"""Training steps on the card, of learners as their commands make them."""

import shlex
from collections.abc import Iterator, Sequence
from functools import partial
from importlib import import_module
from tempfile import mkdtemp
from typing import Any
from unittest import mock

import numpy as np
from gpu_timing import (
    Bench,
    Case,
    NotMeasured,
    Row,
    Watch,
    Work,
    in_turns,
    noise_data,
    rates,
)

POOL = 2048  # images to learn
COMMANDS = (
    "vae",
    "vae --mixed-precision",
    "dcgan --backend torch",
    "dcgan --backend torch --mixed-precision",
    "dcgan --backend torch --loss r3",
    "flow",
    "flow --network large",
    "flow --network large --mixed-precision",
    "flow --network large --mixed-precision --compile",
)
"""What is typed after `facebench train`, beside --data and --out."""


def headings(bench: Bench) -> list[str]:
    """Return the table's."""
    return ["facebench train", "images a step", "steps/s (slowest–fastest turn)", "card idle"]


def cases(bench: Bench) -> list[Case]:
    """Return the trainers: in float32 but where bfloat16 is asked for."""
    return [Case(f"train {each}", partial(steps, each)) for each in COMMANDS]


def steps(command: str, bench: Bench) -> Iterator[Row]:
    """Time training steps, the losses looked at once in so many."""
    trainer, *words = shlex.split(command)
    if bench.is_pretended and "--compile" in words:
        raise NotMeasured("torch compiles nothing for a pretended card")
    learner, taken = learner_of(trainer, words, bench), 0

    def some(count: int) -> None:
        nonlocal taken
        for _ in range(count):
            taken += 1
            losses = learner.step(taken)
        if not all(np.isfinite(float(loss)) for loss in losses.values()):
            raise RuntimeError(f"the losses are {losses}")

    count = bench.sizes.steps
    times = in_turns({"": partial(some, count)}, bench)[""]
    cells = [command, str(learner.images_per_step), rates(count, times)]
    yield Row([*cells, idle(partial(some, count), bench)])


def learner_of(trainer: str, words: Sequence[str], bench: Bench) -> Any:
    """Return what a trainer's command would fit."""
    module, made = import_module(f"facebench_{trainer}.train"), []
    data, out = noise_data(bench.folder / "training", POOL), mkdtemp(dir=bench.folder)
    small = bench.sizes.learnt.get(trainer, ())
    with mock.patch.object(module, "fit", lambda run, learner, *rest, **more: made.append(learner)):
        module.command(["--data", str(data), "--out", out, *words, *small], standalone_mode=False)
    return made[0]


def idle(work: Work, bench: Bench) -> str:
    """Return the share of time for which the card is idle while `work` lasts."""
    watch = Watch(bench.is_pretended)
    watch.start()
    work()
    return watch.stop()
