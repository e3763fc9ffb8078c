"""The leaderboard as CSV and as JSON, with every number in full.

CSV, one row per Result, best first within its protocol; rows of unlike protocols have ranks of
their own, so compare ranks only where ``protocol`` is equal:

- ``rank``, ``model``, ``adapter``, ``n`` (generated images)
- one column per metric, FID first, empty where a row lacks it; then ``<metric>_error`` (standard
  error) and ``<metric>_reference`` (the real images' own value) where any row has them
- ``ordered_by``: the metric that ``rank`` follows
- ``dataset``, ``split``, ``crop``, ``size``, ``filter``, ``extractor``, ``arithmetic`` (the
  protocol's precision: ``precision`` alone is the metric), ``num_reference``, ``dataset_digest``,
  ``weights`` (``name:sha256``, joined by ``; ``), ``protocol`` (equal for comparable rows)
- ``model_digest``, ``first_seed``, ``notes`` (joined by ``; ``), ``created`` (ISO 8601, UTC)

JSON holds ``groups``, one per protocol: ``id``, ``protocol``, ``ordering`` (``metric``, ``title``,
``better``) and ``rows``: each a Result, less its protocol, with its ``rank``.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from facebench.files import atomic_path, write_json
from facebench.result import Protocol, Result, Value
from facebench_reports.board import Board, Row, boards, metric_columns

FORMAT = "facebench-leaderboard/1"


def to_csv(results: Sequence[Result], folder: Path) -> Path:
    """Write ``folder/leaderboard.csv`` and return its path."""
    groups = boards(results)
    rows = [(board, row) for board in groups for row in board.rows]
    keys = [column.key for column in metric_columns(row.result for _, row in rows)]
    frame = pd.DataFrame([_record(board, row, keys) for board, row in rows])
    beside = [f"{key}_{what}" for what in ("error", "reference") for key in keys]
    empty = [name for name in beside if name in frame and frame[name].isna().all()]
    target = folder / "leaderboard.csv"
    with atomic_path(target) as partial:
        frame.drop(columns=empty).to_csv(partial, index=False, lineterminator="\n")
    return target


def to_json(results: Sequence[Result], folder: Path) -> Path:
    """Write ``folder/leaderboard.json`` and return its path."""
    target = folder / "leaderboard.json"
    write_json(target, {"format": FORMAT, "groups": [_group(board) for board in boards(results)]})
    return target


def _record(board: Board, row: Row, keys: Sequence[str]) -> dict[str, object]:
    result = row.result
    return {
        "rank": row.rank,
        "model": result.model,
        "adapter": result.adapter,
        "n": board.protocol.num,
        **_numbers(result.metrics, keys),
        "ordered_by": board.ordering.key,
        **_settings(board.protocol),
        "protocol": board.id,
        "model_digest": result.model_digest,
        "first_seed": result.first_seed,
        "notes": "; ".join(result.notes),
        "created": result.created,
    }


def _numbers(metrics: dict[str, Value], keys: Sequence[str]) -> dict[str, float | None]:
    found = {key: asdict(metrics[key]) if key in metrics else {} for key in keys}
    return (
        {key: found[key].get("value") for key in keys}
        | {f"{key}_error": found[key].get("error") for key in keys}
        | {f"{key}_reference": found[key].get("reference") for key in keys}
    )


def _settings(protocol: Protocol) -> dict[str, object]:
    p = protocol
    return {
        "dataset": p.dataset,
        "split": p.split,
        "crop": p.crop,
        "size": p.size,
        "filter": p.filter,
        "extractor": p.extractor,
        "arithmetic": p.precision,
        "num_reference": p.num_reference,
        "dataset_digest": p.dataset_digest,
        "weights": "; ".join(f"{name}:{digest}" for name, digest in sorted(p.weights.items())),
    }


def _group(board: Board) -> dict[str, Any]:
    column = board.ordering
    better = column.metric.better
    return {
        "id": board.id,
        "protocol": asdict(board.protocol),
        "ordering": {"metric": column.key, "title": column.title, "better": better},
        "rows": [{"rank": row.rank, **_without_protocol(row.result)} for row in board.rows],
    }


def _without_protocol(result: Result) -> dict[str, Any]:
    record = asdict(result)
    del record["protocol"]
    return record
