"""What the cases of `make gpu` share: their sizes, their rows, and time on a card that is awaited.

Nothing but torch and NumPy is imported here: the machine with the GPU may lack the rest.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch

DEVICE = "cuda"
SIDE = 64  # pixels of every image
Work = Callable[[], object]


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    seconds: float = 4.0
    """How long contenders are timed in turns, at least."""
    repeats: int = 3
    """How many turns they get, at least."""
    batches: Sequence[int] = (32, 128, 512)
    images: int = 2048
    matrix: int = 8192
    """Rows and columns of the product that tells what the card can do."""
    points: int = 50_000
    """Images a side of the metrics."""
    few: int = 10_000
    """As many as the CPU manages, too."""
    width: int = 2048
    """Of features."""
    logits: int = 1008
    learnt: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """What is added to a trainer's own options."""
    steps: int = 50
    """Training steps between two looks at the losses, as the trainers take them."""
    reference: int = 1024
    evaluated: int = 40_960
    """Images of a whole evaluation."""


REAL = Sizes()
TINY = Sizes(
    seconds=0.0,
    repeats=1,
    batches=(1,),
    images=1,
    matrix=32,
    points=64,
    few=48,
    width=8,
    logits=12,
    learnt={
        "vae": ["--batch-size", "4", "--width", "4"],
        "dcgan": ["--batch-size", "4", "--width", "4"],
        "flow": ["--batch-size", "4", "--network", "small"],
    },
    steps=2,
    reference=4,
    evaluated=4,
)
"""For the pretended GPU, where it is about the code alone."""


@dataclass(frozen=True)
class Bench:
    """Where, and how much of it, a case measures."""

    folder: Path
    """For what it writes."""
    is_pretended: bool = False

    @property
    def sizes(self) -> Sizes:
        """Return how much is measured."""
        return TINY if self.is_pretended else REAL


@dataclass(frozen=True)
class Row:
    """A line of a part's table."""

    cells: Sequence[str]
    figures: Mapping[str, float] = field(default_factory=dict)
    """What targets are told from, by name."""


class Case(NamedTuple):
    """Something measured; what it lacks leaves its own lines out."""

    name: str
    rows: Callable[[Bench], Iterator[Row]]


class NotMeasured(Exception):
    """A case that this machine does not have, and why."""


def seconds(work: Work) -> float:
    """Return how long `work` takes, on the card too."""
    torch.cuda.synchronize()
    started = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - started


def in_turns(works: Mapping[str, Work], bench: Bench, share: float = 1.0) -> dict[str, list[float]]:
    """Time each of `works` once, then all again, for a `share` of the time that is meant for it.

    A first, untimed turn warms up.
    """
    for work in works.values():
        seconds(work)
    taken: dict[str, list[float]] = {name: [] for name in works}
    started, turns = time.perf_counter(), 0
    while (
        turns < bench.sizes.repeats or time.perf_counter() - started < share * bench.sizes.seconds
    ):
        turns += 1
        for name, work in works.items():
            taken[name].append(seconds(work))
    return taken


def rate(count: int, taken: Sequence[float]) -> float:
    """Return how many of `count` a second, by the median."""
    return count / median(taken)


def rates(count: int, taken: Sequence[float]) -> str:
    """Return the same as text, with the slowest and the fastest turn."""
    return f"{rate(count, taken):,.0f} ({count / max(taken):,.0f}–{count / min(taken):,.0f})"


class Watch:
    """Sees for how long the card is idle, between `start` and `stop`; unless it is blind."""

    def __init__(self, is_blind: bool = False) -> None:
        self._is_blind = is_blind
        self._profiler: Any = None
        self._started = 0.0

    def start(self) -> None:
        """Begin to look."""
        if not self._is_blind:
            from torch.profiler import ProfilerActivity, profile

            with suppress(RuntimeError, AssertionError):  # a machine may not allow it
                self._profiler = profile(activities=[ProfilerActivity.CUDA])
                self._profiler.start()
        self._started = time.perf_counter()

    def stop(self) -> str:
        """Return the share of time for which no kernel and no copy ran."""
        if self._is_blind:
            return "not measured"
        torch.cuda.synchronize()
        whole = time.perf_counter() - self._started
        try:
            self._profiler.stop()
            return f"{max(0.0, 1 - busy(self._profiler.events()) / whole):.0%}"
        except (AttributeError, RuntimeError, AssertionError, ValueError):
            return "not measured"


def busy(events: Iterable[Any]) -> float:
    """Return for how many seconds the card computed or copied, by the profiler's events."""
    spans = [
        (event.time_range.start, event.time_range.end)  # in microseconds
        for event in events
        if event.device_type.name == "CUDA" and not getattr(event, "is_user_annotation", False)
    ]
    if not spans:
        raise ValueError("the profiler saw nothing")
    return covered(spans) / 1e6


def covered(spans: Sequence[tuple[float, float]]) -> float:
    """Return the length of the union of `spans`.

    >>> covered([(5, 7), (0, 2), (1, 3)])
    5.0
    """
    total, end = 0.0, float("-inf")
    for first, last in sorted(spans):
        total += max(0.0, last - max(first, end))
        end = max(end, last)
    return total


def noise(count: int, side: int = SIDE) -> np.ndarray:
    """Return seeded images, ``uint8`` (count, 3, side, side)."""
    return np.random.default_rng(0).integers(0, 256, (count, 3, side, side), np.uint8)


def noise_data(folder: Path, count: int) -> Path:
    """Return a prepared data set of noise, made when it is first asked for."""
    from facebench.data.prepare import prepare

    if not folder.exists():
        pictures = folder.with_suffix(".npy")
        np.save(pictures, noise(count))
        prepare(pictures, folder, size=SIDE, holdout=0)
    return folder
