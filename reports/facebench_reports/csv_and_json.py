"""The leaderboard as CSV and as JSON, with every number in full.

docs/board.md says what each column holds, ``facebench/schema.json`` what each key of the JSON.
Neither file holds times that differ from one report to the next: the same evaluation gives the same
bytes.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from facebench.files import write_json, write_text
from facebench.metrics.multiplicity import Correction
from facebench.results.result import Protocol, Result, Value, as_record, protocol_record
from facebench_reports.badges import badges, verdicts_of
from facebench_reports.board import Board, Row, boards, protocol_id
from facebench_reports.metric_columns import metric_columns

FORMAT = "facebench-leaderboard/1"
_BESIDE = ("error", "low", "high", "floor", "reference")
_DETAILS = {
    "face_rate": ("none", "several"),
    "identity_leakage": (
        *("excess", "excess_low", "excess_high", "threshold", "power", "not_found"),
    ),
}
"""Details that rows are chosen by; the JSON holds all."""


def to_csv(
    results: Sequence[Result],
    folder: Path,
    force: bool = False,
    training_faces: bool = True,
    correction: Correction = "none",
) -> Path:
    """Write ``folder/leaderboard.csv`` and return its path."""
    groups = boards(results, force, correction)
    keys = [column.key for column in metric_columns(r for board in groups for r in board.results)]
    told = badges(results, verdicts_of(results, folder))
    lines = [
        _line(board, row, keys) | {"verdict": told.get(row.result.model)}
        for board in groups
        for row in board.rows
    ]
    beside = (f"{key}_{what}" for key in keys for what in (*_BESIDE, "differs", "classes"))
    optional = {"rank_low", "rank_high", "correction", "faces", "pairs", "verdict"}
    optional |= {*beside, *_details({})}
    empty = {name for name in optional if all(line[name] is None for line in lines)}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    kept = [name for name in lines[0] if name not in empty]
    writer.writerows([kept, *([line[name] for name in kept] for line in lines)])
    target = folder / "leaderboard.csv"
    write_text(target, text.getvalue())
    return target


def to_json(
    results: Sequence[Result],
    folder: Path,
    force: bool = False,
    training_faces: bool = True,
    correction: Correction = "none",
) -> Path:
    """Write ``folder/leaderboard.json`` and return its path."""
    told = badges(results, verdicts_of(results, folder))
    groups = [_group(board, told) for board in boards(results, force, correction)]
    target = folder / "leaderboard.json"
    write_json(target, {"format": FORMAT, "groups": groups})
    return target


def _line(board: Board, row: Row, keys: Sequence[str]) -> dict[str, object]:
    """Return a line of the CSV: the values of all metrics, then the errors of all, and so on."""
    result = row.result
    low, high = row.interval or (None, None)
    numbers = {
        f"{key}_{what}".removesuffix("_value"): getattr(result.metrics.get(key), what, None)
        for what in ("value", *_BESIDE, "differs")
        for key in keys
    }
    return {
        "rank": row.rank,
        "model": result.model,
        "adapter": result.adapter,
        "n": result.protocol.num,
        **numbers,
        **{f"{key}_classes": _classes(result.metrics.get(key)) for key in keys},
        **_details(result.metrics),
        "ordered_by": board.ordering.key,
        "rank_low": low,
        "rank_high": high,
        "correction": None if board.correction == "none" else board.correction,
        **({"forced": "forced"} if board.differing else {}),
        **_settings(result.protocol),
        "protocol": protocol_id(result.protocol),
        "model_digest": result.model_digest,
        "first_seed": result.first_seed,
        "notes": "; ".join(result.remarks),
    }


def _classes(value: Value | None) -> str | None:
    """Return the values within classes as text, None where there are none."""
    told = "; ".join(f"{name}:{each}" for name, each in value.classes.items()) if value else ""
    return told or None


def _details(metrics: Mapping[str, Value]) -> dict[str, float | str | None]:
    """Return what some values are read with, None where it is not known."""
    held = {key: metrics[key].details if key in metrics else {} for key in _DETAILS}
    return {f"{key}_{name}": held[key].get(name) for key in held for name in _DETAILS[key]}


def _settings(protocol: Protocol) -> dict[str, object]:
    p = protocol
    return {
        "dataset": p.dataset,
        "split": p.split,
        "crop": p.crop,
        "size": p.size,
        "filter": p.filter,
        "extractor": p.extractor,
        "layer": p.layer,
        "faces": p.faces or None,
        "pairs": p.pairs or None,
        "definitions": p.mode,
        "arithmetic": p.precision,  # "precision" alone is the metric
        "num_reference": p.num_reference,
        "dataset_digest": p.dataset_digest,
        "weights": "; ".join(f"{name}:{digest}" for name, digest in sorted(p.weights.items())),
    }


def _group(board: Board, told: Mapping[str, str]) -> dict[str, Any]:
    column, differing = board.ordering, list(board.differing)
    is_corrected = board.correction != "none"
    return {
        "id": board.id,
        **({"forced": differing} if differing else {"protocol": protocol_record(board.protocol)}),
        **({"correction": board.correction} if is_corrected else {}),
        "ordering": {"metric": column.key, "title": column.title, "better": column.metric.better},
        "rows": [_record(row, bool(differing), told) for row in board.rows],
    }


def _record(row: Row, with_protocol: bool, told: Mapping[str, str]) -> dict[str, Any]:
    low, high = row.interval or (None, None)
    record = {"rank": row.rank, "rank_low": low, "rank_high": high} | as_record(row.result)
    if row.result.model in told:
        record["verdict"] = told[row.result.model]
    return record if with_protocol else {k: v for k, v in record.items() if k != "protocol"}
