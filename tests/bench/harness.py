"""Timing in turns: each contender once, then all again, so that a machine's moods hit all alike."""

import platform
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from statistics import median

import torch

Work = Callable[[], object]

_PACKAGES = ("facebench", "torch", "torch-fidelity", "prdc", "lpips", "scipy", "numpy")
_MATRIX = 4096  # rows and columns of the product that tells what the machine can do


@dataclass(frozen=True)
class Case:
    """One job, done by facebench and by others."""

    name: str
    ours: Work
    peers: Mapping[str, Work]
    target: str = ""
    """The ratio to reach, as text."""
    images: int = 0
    """How many images the job is of, where that is what its speed is told in."""
    prepare: Work = field(default=lambda: None)
    """What comes first and is timed apart: compilation."""


@dataclass(frozen=True)
class Row:
    """What one contender's repetitions took, in seconds."""

    case: Case
    who: str
    seconds: list[float]
    ratios: list[float]
    """Of its time to facebench's, repetition by repetition."""
    prepared: float = 0.0


def measure(case: Case, repeats: int) -> list[Row]:
    """Time the contenders of `case` in turns, after one warm-up of facebench."""
    prepared = _seconds(case.prepare)
    contenders = {"facebench": case.ours, **case.peers}
    taken: dict[str, list[float]] = {who: [] for who in contenders}
    for _ in range(repeats):
        for who, work in contenders.items():
            taken[who].append(_seconds(work))
    ours = taken["facebench"]
    return [
        Row(case, who, each, [t / o for t, o in zip(each, ours, strict=True)], prepared)
        for who, each in taken.items()
    ]


def matrix_rate(dtype: torch.dtype) -> float:
    """Return the GFLOP/s of a large matrix product."""
    a = torch.randn(_MATRIX, _MATRIX, dtype=dtype)
    times = sorted(_seconds(lambda: a @ a) for _ in range(4))
    return 2 * _MATRIX**3 / times[0] / 1e9


def machine() -> str:
    """Say what the figures were measured on and with."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    versions = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return f"{platform.machine()}, {torch.get_num_threads()} threads, {gpu}; {versions}"


def table(rows: Iterable[Row]) -> str:
    """Return `rows` as Markdown: medians, the range in brackets."""
    lines = [
        "| job | by | seconds | images/s | times facebench's | to reach |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        speed = f"{row.case.images / median(row.seconds):.1f}" if row.case.images else ""
        own = row.who == "facebench"
        prepared = (
            f", after {row.prepared:.0f} s of compilation" if own and row.prepared > 1 else ""
        )
        ratio = "" if own else _spread(row.ratios, "×")
        target = "" if own else row.case.target
        spread = _spread(row.seconds, " s")
        lines.append(
            f"| {row.case.name} | {row.who} | {spread}{prepared} | {speed} | {ratio} | {target} |"
        )
    return "\n".join(lines)


def _spread(values: list[float], unit: str) -> str:
    low, high = min(values), max(values)
    return f"{median(values):.3g}{unit} ({low:.3g}–{high:.3g})"


def _seconds(work: Work) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
