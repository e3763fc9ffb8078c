"""A Result: what one model scored, under which protocol, and how to get it again.

Reports read Results and nothing else. A Result is one JSON file, ``results/NAME.json``.
"""

import math
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from facebench.errors import BadInput
from facebench.files import read_json, write_json

FORMAT = "facebench-result/1"
HISTORY = "history"
"""The folder, among the results, of what models scored before they were trained again."""
SANITY = "sanity"
"""The adapter that rows made of the real images themselves are said to have."""


@dataclass(frozen=True)
class Value:
    """One number with what is known of its uncertainty."""

    value: float
    error: float | None = None
    """Standard error, or None where none was estimated."""
    low: float | None = None
    """Where the 95 % interval begins."""
    high: float | None = None
    """Where the 95 % interval ends."""
    reference: float | None = None
    """The same statistic of the reference set, for metrics that are read against it."""
    floor: float | None = None
    """What other real images score in the generated ones' place: no model can be told from
    perfect beyond this noise."""
    groups: tuple[float, ...] = ()
    """Pseudo-values, from which differences are judged; see :mod:`facebench.metrics.uncertainty`.
    """
    curve: tuple[tuple[int, float], ...] = ()
    """For an extrapolated value: numbers of generated images, and the statistic of as many."""


@dataclass(frozen=True)
class Protocol:
    """Everything that makes two scores comparable; Results whose protocols differ never rank."""

    dataset: str
    dataset_digest: str
    split: str
    crop: str
    size: int
    filter: str
    extractor: str
    weights: dict[str, str]
    """Name of each weight file used, to its sha256."""
    precision: str
    num: int
    num_reference: int
    layer: str = ""
    """Which features of the extractor, by its own name for them."""
    mode: str = "facebench"
    """Whose definitions the numbers follow; another tool's name where they match that tool."""


@dataclass(frozen=True)
class Result:
    """The scores of one model."""

    model: str
    adapter: str
    path: str
    model_digest: str
    first_seed: int
    protocol: Protocol
    metrics: dict[str, Value]
    failed: dict[str, str] = field(default_factory=dict)
    """Metrics that could not be computed, and why."""
    notes: tuple[str, ...] = ()
    """What a reader must know beside the numbers, e.g. that weights were taken on trust."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Wall time by phase."""
    memory: dict[str, float] = field(default_factory=dict)
    """The engine's peak memory by phase, in MiB, where the system tells; without the sampler's."""
    images: int = 0
    """How many images these seconds were spent on; the others' features were there already."""
    environment: dict[str, str] = field(default_factory=dict)
    """Versions and device."""
    command: str = ""
    created: str = ""
    """ISO 8601, UTC."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What stands beside the numbers: its notes, and why there are not more of them."""
        missing = (f"no {key}, which failed: {why}" for key, why in self.failed.items())
        return (*self.notes, *missing)

    @property
    def is_sanity(self) -> bool:
        """Whether this row checks the metrics: it stands on the board, but out of the contest."""
        return self.adapter == SANITY


def write_result(result: Result, folder: Path) -> Path:
    """Write `result` to ``folder/MODEL.json`` atomically and return that path."""
    target = folder / f"{result.model}.json"
    write_json(target, {"format": FORMAT, **as_record(result)})
    return target


def as_record(result: Result) -> dict[str, Any]:
    """Return it as JSON has it; what failed is told where something did."""
    return {name: value for name, value in asdict(result).items() if value or name != "failed"}


def read_result(path: Path) -> Result:
    """Read one Result, or raise :class:`BadInput` saying what is wrong with the file."""
    record = read_json(path)
    try:
        if record.pop("format") != FORMAT:
            raise ValueError(f"its format is not {FORMAT}")
        return _result(_checked(record))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadInput(f"{path} is not a facebench Result: {error}.") from error


def keep_earlier(result: Result, folder: Path) -> Path:
    """Write the result of an earlier state of a model to ``folder/history`` and return its path."""
    when = re.sub(r"[^0-9A-Za-z]", "", result.created) or result.model_digest[:12]
    target = folder / HISTORY / result.model / f"{when}.json"
    write_json(target, {"format": FORMAT, **as_record(result)})
    return target


def read_history(folder: Path, model: str) -> list[Result]:
    """Read the results of earlier states of `model`, oldest first."""
    if Path(model).name != model:
        return []
    return [read_result(path) for path in sorted((folder / HISTORY / model).glob("[!.]*.json"))]


def read_results(folder: Path) -> list[Result]:
    """Read every Result of a results folder, in the order of their names."""
    if not folder.is_dir():
        raise BadInput(f"There is no results folder {folder}: make one with facebench eval.")
    # A hidden file is one that is being written, or whose writer was killed.
    paths = sorted(p for p in folder.glob("[!.]*.json") if p.name != "leaderboard.json")
    if not paths:
        raise BadInput(f"{folder} holds no results: make one with facebench eval --out {folder}.")
    return [read_result(path) for path in paths]


def _result(record: dict[str, Any]) -> Result:
    return Result(
        **record
        | {
            "protocol": Protocol(**record["protocol"]),
            "metrics": {key: _value(key, value) for key, value in record["metrics"].items()},
            "notes": tuple(record["notes"]),
        }
    )


_KINDS = {
    "first_seed": int,
    "protocol": dict,
    "metrics": dict,
    "failed": dict,
    "notes": list,
    "seconds": dict,
    "memory": dict,
    "images": int,
    "environment": dict,
}
_PROTOCOL_KINDS = {"size": int, "num": int, "num_reference": int, "weights": dict}


def _checked(record: dict[str, Any]) -> dict[str, Any]:
    """Refuse fields of other types than a Result's: reports must not stumble over them."""
    _check_kinds(record, _KINDS)
    protocol = record["protocol"]
    _check_kinds(protocol, _PROTOCOL_KINDS)
    environment, weights = record.get("environment", {}), protocol["weights"]
    failed = record.get("failed", {})
    texts = (*record["notes"], *environment.values(), *weights.values(), *failed.values())
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("its notes, failures, environment or weights are no text")
    costs = (record.get(name, {}).values() for name in ("seconds", "memory"))
    if not all(_is_number(cost) for each in costs for cost in each):
        raise ValueError("its seconds or its memory are no numbers")
    if not all(isinstance(value, dict) for value in record["metrics"].values()):
        raise ValueError("its metrics are no values")
    name = record["model"]
    if not name or name.startswith(".") or {"/", "\0"} & set(name):
        raise ValueError(f"{name!r} cannot name a row")
    return record


def _check_kinds(record: dict[str, Any], kinds: dict[str, type]) -> None:
    for name, value in record.items():
        if type(value) is not kinds.get(name, str):
            raise ValueError(f"its {name} is {type(value).__name__}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _value(key: str, record: dict[str, Any]) -> Value:
    groups = tuple(record.get("groups", ()))
    curve = tuple((int(count), value) for count, value in record.get("curve", ()))
    plain = {name: n for name, n in record.items() if name not in ("groups", "curve")}
    numbers = [n for name, n in plain.items() if name != "value" and n is not None]
    for number in (record["value"], *numbers, *groups, *(value for _, value in curve)):
        if not _is_number(number):
            raise ValueError(f"{number!r} is no value of {key}")
    return Value(**record | {"groups": groups, "curve": curve})
