"""A Result: what one model scored, under which protocol, and how to get it again.

Reports read Results and nothing else. A Result is one JSON file, ``results/NAME.json``.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from facebench.errors import BadInput
from facebench.files import read_json, write_json

FORMAT: Literal["facebench-result/1"] = "facebench-result/1"
HISTORY = "history"
"""The folder, among the results, of what models scored before they were trained again."""
SANITY = "sanity"
"""The adapter that rows made of the real images themselves are said to have."""
STATISTICS = "statistics"
"""The split of a reference of which nothing but statistics is known."""

Positive = Annotated[int, msgspec.Meta(ge=1)]
Natural = Annotated[int, msgspec.Meta(ge=0)]


@dataclass(frozen=True)
class Value:
    """One number with what is known of its uncertainty."""

    value: float
    error: float | None = None
    """Standard error, where one was estimated."""
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
    """Pseudo-values, from which differences are judged: see ``facebench.metrics.uncertainty``."""
    curve: tuple[tuple[Positive, float], ...] = ()
    """For an extrapolated value: numbers of generated images, and the statistic of as many."""
    classes: dict[str, float] = field(default_factory=dict)
    """The statistic within each class, or subgroup."""
    details: dict[str, float | str] = field(default_factory=dict)
    """Numbers and words that the value is read with, by name: a threshold, say."""
    differs: bool | None = None
    """Whether it differs from what real images score beyond noise, at 5 %; null: not tested."""


@dataclass(frozen=True)
class Protocol:
    """Everything that makes two scores comparable; Results whose protocols differ never rank."""

    dataset: str
    dataset_digest: str
    split: str
    crop: str
    size: Natural
    """Height and width in pixels; 0 where the real images are of several sizes, or not square."""
    filter: str
    extractor: str
    weights: dict[str, str]
    """Name of each weight file used, to its sha256."""
    precision: str
    num: Natural
    """How many generated images; 0 where statistics do not say of how many they are."""
    num_reference: Natural
    """How many real ones; 0 likewise."""
    layer: str = ""
    """Which features of the extractor, by its own name for them."""
    mode: str = "facebench"
    """Whose definitions the numbers follow; another tool's name where they match that tool."""
    faces: str = ""
    """What looked for faces and knew them apart; empty where nothing did."""
    pairs: str = ""
    """The task of image to image, and how translators are asked; empty for samplers."""


@dataclass(frozen=True)
class Result:
    """The scores of one model."""

    model: str
    adapter: str
    """What opens the model; "sanity" for checks made of real images."""
    path: str
    model_digest: str
    first_seed: Natural
    protocol: Protocol
    metrics: dict[str, Value]
    """By the metric's key; see ``facebench metrics``."""
    failed: dict[str, str] = field(default_factory=dict)
    """Metrics that could not be computed, and why."""
    refused: dict[str, str] = field(default_factory=dict)
    """Metrics of which images or model tell too little, and why: they show no face, say."""
    notes: tuple[str, ...] = field(default_factory=tuple)
    """What a reader must know beside the numbers, e.g. that weights were taken on trust."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Wall time by phase."""
    memory: dict[str, float] = field(default_factory=dict)
    """The engine's peak memory by phase, in MiB, where the system tells; without the sampler's."""
    images: Natural = 0
    """How many images these seconds were spent on; the others' features were there already."""
    environment: dict[str, str] = field(default_factory=dict)
    """Versions and device."""
    command: str = ""
    created: str = ""
    """ISO 8601, UTC; empty where it was not recorded."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What stands beside the numbers: its notes, and why there are not more of them."""
        untold = (f"no {said}" for said in together(self.refused))
        missing = (f"no {key}, which failed: {why}" for key, why in self.failed.items())
        return (*self.notes, *untold, *missing)

    @property
    def is_sanity(self) -> bool:
        """Whether this row checks the metrics: it stands on the board, but out of the contest."""
        return self.adapter == SANITY


@dataclass(frozen=True)
class ResultFile(Result):
    """``results/NAME.json``: a Result, whose notes are always said, be there none."""

    format: Literal["facebench-result/1"] = field(kw_only=True)
    notes: tuple[str, ...] = field(kw_only=True)


def write_result(result: Result, folder: Path) -> Path:
    """Write `result` to ``folder/MODEL.json`` atomically and return that path."""
    target = folder / f"{result.model}.json"
    write_json(target, as_file(result))
    return target


def as_file(result: Result) -> dict[str, Any]:
    """Return what its file holds."""
    return {"format": FORMAT, **as_record(result)}


def as_record(result: Result) -> dict[str, Any]:
    """Return it as JSON has it, with what not every Result has only where there is any.

    A result without them is written as it was before there were any.
    """
    rare = ("failed", "refused")
    record = {name: value for name, value in asdict(result).items() if value or name not in rare}
    record["protocol"] = protocol_record(result.protocol)
    for value in record["metrics"].values():
        for name in ("classes", "details"):
            if not value[name]:
                del value[name]
        if value["differs"] is None:
            del value["differs"]
    return record


def together(said: Mapping[str, str]) -> Iterator[str]:
    """Yield what is said of metrics by their keys, once where it is the same of several."""
    for text in dict.fromkeys(filter(None, said.values())):
        yield f"{', '.join(key for key, each in said.items() if each == text)}: {text}"


def protocol_record(protocol: Protocol) -> dict[str, Any]:
    """Return a protocol as JSON has it, as it was before there were faces where it has none."""
    record = asdict(protocol)
    return {k: v for k, v in record.items() if v or k not in ("faces", "pairs")}


def read_result(path: Path) -> Result:
    """Read one Result, or raise :class:`BadInput` saying what is wrong with the file."""
    return parse_result(read_json(path), path)


def parse_result(record: Any, name: object) -> Result:
    """Return the Result that a file's JSON says, or raise :class:`BadInput` naming it `name`."""
    try:
        found = msgspec.convert(record, ResultFile)
        if unknown := [*_unknown(record, msgspec.to_builtins(found))]:
            raise ValueError(f"nothing is known of {unknown[0][:100]!r}")
        if not found.model or found.model.startswith(".") or {"/", "\0"} & set(found.model):
            raise ValueError(f"{found.model[:100]!r} cannot name a row")
    except ValueError as error:
        raise BadInput(f"{name} is not a facebench Result: {error}.") from error
    return Result(**{each.name: getattr(found, each.name) for each in fields(Result)})


def _unknown(record: Any, known: Any) -> Iterator[str]:
    """Yield the names in a record that what was made of it has not."""
    if isinstance(record, dict):
        for name, value in record.items():
            yield from _unknown(value, known[name]) if name in known else [name]


def keep_earlier(result: Result, folder: Path) -> Path:
    """Write the result of an earlier state of a model to ``folder/history`` and return its path."""
    when = re.sub(r"[^0-9A-Za-z]", "", result.created) or result.model_digest[:12]
    target = folder / HISTORY / result.model / f"{when}.json"
    write_json(target, as_file(result))
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
