"""What a run's training logged, thinned for a plot."""

import json
import math
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from facebench.results.interval_ends import HIGH, LOW

POINTS = 200
"""Of a curve, at most."""
SERIES = 12
"""Curves, at most, the ends of their intervals not counted: the first that the log names."""
_LARGEST = 64 << 20  # bytes of a log; a larger one is no training log of ours
_NO_CURVES = ("step", "seconds")

Curve = tuple[tuple[float, float], ...]


def training_curves(run: Path) -> dict[str, Curve]:
    """Return the steps and values in ``run/metrics.jsonl`` by name; none where there is no log."""
    curves: dict[str, list[tuple[float, float]]] = {}
    for step, name, value in _entries(run / "metrics.jsonl"):
        if name in curves or _is_end(name, curves) or _series(curves) < SERIES:
            curves.setdefault(name, []).append((step, value))
    return {name: _thinned(points) for name, points in curves.items() if len(points) > 1}


def _series(curves: Collection[str]) -> int:
    return sum(not _is_end(name, curves) for name in curves)


def _is_end(name: str, curves: Collection[str]) -> bool:
    """Return whether it is an end of the interval of one of the curves."""
    return any(name.endswith(end) and name.removesuffix(end) in curves for end in (LOW, HIGH))


def _entries(log: Path) -> Iterator[tuple[float, str, float]]:
    try:
        if not log.is_file() or log.stat().st_size > _LARGEST:
            return
        lines = log.read_text("utf-8").splitlines()
    except (OSError, ValueError):
        return
    for line in lines:
        record = _record(line)
        step = record.get("step", "")
        if _is_number(step):
            yield from (
                (float(step), str(name)[:64], float(value))
                for name, value in record.items()
                if name not in _NO_CURVES and _is_number(value)
            )


def _record(line: str) -> dict[str, Any]:
    """Return one line's values; none of a line that is being written or is not of ours."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _thinned(points: list[tuple[float, float]]) -> Curve:
    stride = math.ceil(len(points) / POINTS)
    kept = points[::stride]
    return tuple(kept if kept[-1] == points[-1] else [*kept, points[-1]])
