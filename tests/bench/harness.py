"""Timing in turns: each contender once, then all again, so that a machine's moods hit all alike."""

import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from statistics import median

import torch

Work = Callable[[], object]

_PACKAGES = ("facebench", "torch", "torch-fidelity", "prdc", "lpips", "scipy", "numpy")
_SHORT = 30  # seconds: a case that is over sooner takes further turns
_MOST = 15  # turns of those
_MATRIX = 4096  # rows and columns of the product that tells what the machine can do


@dataclass(frozen=True)
class Case:
    """One job, done by facebench in one way or several, and by others."""

    name: str
    ours: Mapping[str, Work]
    """By what tells the ways apart: "fp32", "bf16", or nothing."""
    peers: Mapping[str, Work]
    targets: Sequence[str] = ()
    """The ratios to reach, as text, one for each of `ours`."""
    images: int = 0
    """How many images the job is of, where that is what its speed is told in."""
    prepare: Mapping[str, Work] = field(default_factory=dict)
    """What comes first and is timed apart: compilation."""


@dataclass(frozen=True)
class Row:
    """What one contender's repetitions took, in seconds."""

    case: Case
    who: str
    seconds: list[float]
    prepared: float = 0.0
    ratios: Mapping[str, list[float]] = field(default_factory=dict)
    """For facebench: each peer's time to its own, repetition by repetition."""
    target: str = ""


def measure(case: Case, repeats: int) -> list[Row]:
    """Time the contenders of `case` in turns, at least `repeats` of them.

    What is over in no time is repeated more often, for chance has a larger share in it.
    """
    prepared = {who: _seconds(work) for who, work in case.prepare.items()}
    contenders = [*case.ours.items(), *case.peers.items()]
    turns: list[list[float]] = []
    while len(turns) < repeats or (len(turns) < _MOST and sum(map(sum, turns)) < _SHORT):
        turns.append([_seconds(work) for _, work in contenders])
    taken = [list(each) for each in zip(*turns, strict=True)]
    own, others = taken[: len(case.ours)], taken[len(case.ours) :]
    targets = case.targets or [""] * len(own)
    rows = []
    for way, seconds, target in zip(case.ours, own, targets, strict=True):
        ratios = dict(zip(case.peers, (_ratios(each, seconds) for each in others), strict=True))
        compiled = prepared.get(way, 0.0)
        rows.append(Row(case, f"facebench {way}".strip(), seconds, compiled, ratios, target))
    return rows + [Row(case, who, each) for who, each in zip(case.peers, others, strict=True)]


def matrix_rate(dtype: torch.dtype, device: str) -> float:
    """Return the GFLOP/s of a large matrix product."""
    a = torch.randn(_MATRIX, _MATRIX, dtype=dtype, device=device)
    times = sorted(_seconds(lambda: (a @ a)[0, 0].item()) for _ in range(4))
    return 2 * _MATRIX**3 / times[0] / 1e9


def machine() -> str:
    """Say what the figures were measured on and with."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    versions = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return f"{platform.machine()}, {torch.get_num_threads()} threads, {gpu}; {versions}"


def table(rows: Iterable[Row]) -> str:
    """Return `rows` as Markdown: medians, the range in brackets."""
    lines = [
        "| job | by | seconds | images/s | others' time to facebench's | to reach |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        speed = f"{row.case.images / median(row.seconds):.1f}" if row.case.images else ""
        prepared = f", after {row.prepared:.0f} s of compilation" if row.prepared > 1 else ""
        ratios = "; ".join(f"{who} {_spread(each, '×')}" for who, each in row.ratios.items())
        lines.append(
            f"| {row.case.name} | {row.who} | {_spread(row.seconds, ' s')}{prepared} | {speed} "
            f"| {ratios} | {row.target} |"
        )
    return "\n".join(lines)


def _spread(values: list[float], unit: str) -> str:
    low, high = min(values), max(values)
    return f"{median(values):.3g}{unit} ({low:.3g}–{high:.3g})"


def _seconds(work: Work) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _ratios(theirs: list[float], ours: list[float]) -> list[float]:
    return [t / o for t, o in zip(theirs, ours, strict=True)]
