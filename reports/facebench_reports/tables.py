"""The leaderboard as CSV and as JSON, with every number in full.

CSV, one row per Result, best first within its protocol; rows of unlike protocols have ranks of
their own, so compare ranks only where ``protocol`` is equal:

- ``rank``, ``model``, ``adapter``, ``n`` (generated images)
- one column per metric, FID first, empty where a row lacks it; then, where any row has them,
  ``<metric>_error`` (standard error), ``<metric>_low`` and ``<metric>_high`` (95 % interval),
  ``<metric>_floor`` (what other real images score in the generated ones' place) and
  ``<metric>_reference`` (the real images' own value)
- ``ordered_by``: the metric that ``rank`` follows; ``rank`` is 1 + the number of models that are
  better beyond noise, and empty for sanity checks
- ``rank_low`` and ``rank_high``, where known: between which places 95 % of resamples put the row
- ``dataset``, ``split``, ``crop``, ``size``, ``filter``, ``extractor``, ``layer``,
  ``definitions`` (the protocol's mode), ``arithmetic`` (its precision: ``precision`` alone is the
  metric), ``num_reference``, ``dataset_digest``, ``weights`` (``name:sha256``, joined by ``; ``),
  ``protocol`` (equal for comparable rows)
- ``model_digest``, ``first_seed``, ``notes`` (joined by ``; ``)

It holds no times, so that the same evaluation gives the same file, byte for byte.

JSON holds ``groups``, one per protocol: ``id``, ``protocol``, ``ordering`` (``metric``, ``title``,
``better``) and ``rows``: each a Result, less its protocol, with ``rank``, ``rank_low`` and
``rank_high``, null where there is none.

Forced, both rank all rows together by their values alone: CSV has ``forced`` in every row; JSON has
one group, ``forced`` there names the settings that differ, and every row has its own ``protocol``.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from facebench.files import atomic_path, write_json
from facebench.results.result import Protocol, Result, Value, as_record
from facebench_reports.board import Board, Row, boards, protocol_id
from facebench_reports.columns import metric_columns

FORMAT = "facebench-leaderboard/1"

_BESIDE = ("error", "low", "high", "floor", "reference")
_RANKS = ("rank", "rank_low", "rank_high")


def to_csv(results: Sequence[Result], folder: Path, force: bool = False) -> Path:
    """Write ``folder/leaderboard.csv`` and return its path."""
    rows = [(board, row) for board in boards(results, force) for row in board.rows]
    keys = [column.key for column in metric_columns(row.result for _, row in rows)]
    frame = pd.DataFrame([_record(board, row, keys) for board, row in rows])
    frame = frame.astype(dict.fromkeys(_RANKS, "Int64"))  # integers, though some are missing
    beside = [f"{key}_{what}" for what in _BESIDE for key in keys] + list(_RANKS[1:])
    empty = [name for name in beside if frame[name].isna().all()]
    target = folder / "leaderboard.csv"
    with atomic_path(target) as partial:
        frame.drop(columns=empty).to_csv(partial, index=False, lineterminator="\n")
    return target


def to_json(results: Sequence[Result], folder: Path, force: bool = False) -> Path:
    """Write ``folder/leaderboard.json`` and return its path."""
    groups = [_group(board) for board in boards(results, force)]
    target = folder / "leaderboard.json"
    write_json(target, {"format": FORMAT, "groups": groups})
    return target


def _record(board: Board, row: Row, keys: Sequence[str]) -> dict[str, object]:
    result = row.result
    ranks = _ranks(row)
    return {
        "rank": ranks.pop("rank"),
        "model": result.model,
        "adapter": result.adapter,
        "n": result.protocol.num,
        **_numbers(result.metrics, keys),
        "ordered_by": board.ordering.key,
        **ranks,
        **({"forced": "forced"} if board.differing else {}),
        **_settings(result.protocol),
        "protocol": protocol_id(result.protocol),
        "model_digest": result.model_digest,
        "first_seed": result.first_seed,
        "notes": "; ".join(result.remarks),
    }


def _ranks(row: Row) -> dict[str, int | None]:
    return dict(zip(_RANKS, (row.rank, *(row.interval or (None, None))), strict=True))


def _numbers(metrics: dict[str, Value], keys: Sequence[str]) -> dict[str, float | None]:
    """Return the values of all `keys`, then the errors of all, and so on."""
    return {key: getattr(metrics.get(key), "value", None) for key in keys} | {
        f"{key}_{what}": getattr(metrics.get(key), what, None) for what in _BESIDE for key in keys
    }


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
        "definitions": p.mode,
        "arithmetic": p.precision,
        "num_reference": p.num_reference,
        "dataset_digest": p.dataset_digest,
        "weights": "; ".join(f"{name}:{digest}" for name, digest in sorted(p.weights.items())),
    }


def _group(board: Board) -> dict[str, Any]:
    column = board.ordering
    better = column.metric.better
    forced = bool(board.differing)
    return {
        "id": board.id,
        **({"forced": list(board.differing)} if forced else {"protocol": asdict(board.protocol)}),
        "ordering": {"metric": column.key, "title": column.title, "better": better},
        "rows": [_ranks(row) | _as_record(row.result, forced) for row in board.rows],
    }


def _as_record(result: Result, with_protocol: bool) -> dict[str, Any]:
    record = as_record(result)
    return record if with_protocol else {k: v for k, v in record.items() if k != "protocol"}
