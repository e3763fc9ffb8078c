"""Whole evaluations of fast samplers: how near they come to the network's own rate."""

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from importlib import import_module
from time import perf_counter
from typing import Any

import numpy as np
from gpu_networks import inception, weights
from gpu_timing import (
    DEVICE,
    Bench,
    Case,
    NotMeasured,
    Row,
    Watch,
    in_turns,
    noise,
    noise_data,
    rate,
)
from gpu_training import learner_of

from facebench.numerics.precision import Precision

POOL = 2048  # images of the fastest sampler
NAME = "fast"  # of the model


def headings(bench: Bench) -> list[str]:
    """Return the table's."""
    return [
        *("sampler", "precision", "images/s, drawn to kept", "the network's own, before and after"),
        *("end to end, of its own", "card idle"),
    ]


def cases(bench: Bench) -> list[Case]:
    """Return the fast samplers: in this process, in one of their own, on the card in theirs."""
    kinds: list[tuple[str, Precision, bool]] = [
        ("function", "bf16", False),
        ("function", "fp32", False),
        ("images:", "bf16", False),
        ("vae:", "bf16", False),
        ("function", "bf16", True),
    ]
    return [
        Case(
            f"{kind} in {precision}{', compiled' if is_compiled else ''}",
            partial(evaluated, kind, precision, is_compiled),
        )
        for kind, precision, is_compiled in kinds
    ]


def evaluated(kind: str, precision: Precision, is_compiled: bool, bench: Bench) -> Iterator[Row]:
    """Compare the rate of an evaluation's extraction with the network's on images in memory."""
    if bench.is_pretended and (is_compiled or kind == "vae:"):
        raise NotMeasured("only the process that pretends has a card")
    import_module("facebench.engine")  # so that what it needs is named
    model, images = MODELS[kind](bench), noise(bench.sizes.images)
    network = inception(bench, precision, is_compiled)
    alone = partial(network.extract, images, batch_size())

    def own() -> float:
        return rate(len(images), in_turns({"": alone}, bench, 1 / 4)[""])

    run = partial(extraction, model, bench, precision=precision, compiled=is_compiled)
    before, speed, after = own(), run(bench.sizes.evaluated, Watch(is_blind=True))[0], own()
    share = 2 * speed / (before + after)
    arithmetic = f"{precision}{', compiled' if is_compiled else ''}"
    cells = [kind, arithmetic, f"{speed:,.0f}", f"{before:,.0f}, then {after:,.0f}", f"{share:.0%}"]
    if is_compiled or bench.is_pretended:
        waited = "not measured"
    else:
        waited = run(bench.sizes.evaluated // 4, Watch())[1]
    yield Row([*cells, waited], {f"end to end, {kind} {arithmetic}": share})


class Stopwatch:
    """A progress display that times the chunks of the model, but for the first of several.

    In that one a process may have to be started.
    """

    def __init__(self, watch: Watch):
        self.watch, self.seconds, self.timed, self.idle = watch, 0.0, 1.0, ""

    def __call__(self, items: Iterable[Any], name: str = "", total: float = 1) -> Iterable[Any]:
        """Pass on chunks of images."""
        return self._timed(items, total) if name == NAME else items

    def _timed(self, items: Iterable[Any], total: float) -> Iterator[Any]:
        untimed, started = min(1, total - 1), 0.0
        for number, item in enumerate(items):
            if number == untimed:
                self.watch.start()
                started = perf_counter()
            yield item
        self.seconds = perf_counter() - started
        self.idle, self.timed = self.watch.stop(), 1 - untimed / total


def extraction(model: Any, bench: Bench, num: int, watch: Watch, **given: Any) -> tuple[float, str]:
    """Return how many images a second `facebench eval` draws, looks at and keeps; and idle time."""
    from facebench.engine import evaluate

    stopwatch = Stopwatch(watch)
    with tempfile.TemporaryDirectory(dir=bench.folder) as cache:  # nothing is known yet
        os.environ["FACEBENCH_CACHE"] = cache
        found = evaluate(
            {NAME: model},
            noise_data(bench.folder / "reference", bench.sizes.reference),
            num=num,
            split="all",
            metrics="fid",
            batch_size=batch_size(),
            weights=weights(bench),
            device=DEVICE,
            track=stopwatch,
            **given,
        )
    for failure in found.failures.values():
        raise failure
    return num * stopwatch.timed / stopwatch.seconds, stopwatch.idle


def batch_size() -> int:
    """Return the one that the engine takes by itself."""
    from facebench.engine.batch_size import choose_batch_size

    return choose_batch_size(DEVICE)


def function(bench: Bench) -> Callable[[list[int]], np.ndarray]:
    """Return a sampler of this process that has its images ready."""
    pool = noise(POOL)
    return lambda seeds: pool[np.asarray(seeds) % len(pool)]


def image_file(bench: Bench) -> str:
    """Return one in a process of its own, with more images than are asked for."""
    path = bench.folder / "pictures.npy"
    np.save(path, noise(bench.sizes.evaluated))
    return f"images:{path}"


def vae_folder(bench: Bench) -> str:
    """Return the VAE, untrained, which draws on the card from a process of its own."""
    from facebench_vae.sampler import MODEL_FILE

    folder, learner = bench.folder / "vae", learner_of("vae", (), bench)
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(learner.config), encoding="utf-8")
    learner.save(folder / MODEL_FILE)
    return f"vae:{folder}"


MODELS: Mapping[str, Callable[[Bench], Any]] = {
    "function": function,
    "images:": image_file,
    "vae:": vae_folder,
}
