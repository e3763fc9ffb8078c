"""The JSON Schema of what facebench writes for others to read, made of the classes that say it.

``make schema`` writes it to ``facebench/schema.json``, where people find it.
"""

import ast
import inspect
import itertools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from facebench.files import write_text
from facebench.results.judgement import Agreement, Estimate, Judged, Judgement, LeftOut
from facebench.results.manifest import Held, Manifest, Sha256
from facebench.results.result import Natural, Positive, Protocol, Result, ResultFile, Value
from facebench.results.verdict import Badge, ComparedPictures, JudgedValue, Verdict
from facebench.results.visuals import Gallery, Plane, Visuals

Better = Literal["lower", "higher", "reference"]


@dataclass(frozen=True)
class Row(Result):
    """A Result with its place on a board."""

    protocol: Protocol | UnsetType = field(default=UNSET, kw_only=True)  # type: ignore[assignment]
    """Only where the rows were forced together; else it is the group's."""
    notes: tuple[str, ...] = field(kw_only=True)
    rank: Positive | None = field(kw_only=True)
    """1 + the number of models that are better beyond noise; null for checks."""
    rank_low: Positive | None = field(kw_only=True)
    """The first of the places that 95 % of resamples give; null where they are not known."""
    rank_high: Positive | None = field(kw_only=True)
    """The last of them."""
    verdict: Badge | UnsetType = field(default=UNSET, kw_only=True)
    """Whether somebody else got its values again; absent where there are no verdicts."""


class Ordering(Struct):
    """What orders the rows of a group."""

    metric: str
    title: str
    better: Better


class Group(Struct, kw_only=True):
    """The rows of one protocol, best first; of several where that was forced."""

    id: str
    protocol: Protocol | UnsetType = UNSET
    forced: list[str] | UnsetType = UNSET
    """In place of the protocol: the settings in which the rows differ."""
    correction: Literal["holm"] | UnsetType = UNSET
    """Of the ranks, for the number of pairs that are tested; absent where there is none."""
    ordering: Ordering
    rows: Annotated[list[Row], Meta(min_length=1)]


class Leaderboard(Struct, tag_field="format", tag="facebench-leaderboard/1"):
    """``leaderboard.json``."""

    groups: Annotated[list[Group], Meta(min_length=1)]


class Version(Struct, tag_field="format", tag="facebench-frozen/1"):
    """``versions/NAME.json``: the leaderboard as it was when it was frozen under a name."""

    name: str
    digest: Sha256
    """Of name, earlier versions and leaderboard."""
    created: str
    """ISO 8601, UTC."""
    earlier: dict[str, Sha256]
    """The versions that were there, with their digests."""
    leaderboard: Leaderboard


class Difference(Struct):
    """One metric of two models."""

    title: str
    better: Better
    first: float
    second: float
    difference: float
    """The first less the second; for "reference", that of their distances to it."""
    low: float | None
    """Where the 95 % interval of the difference begins; null where nothing is known of noise."""
    high: float | None
    p: float | None
    """Of the paired t-test, two-sided."""
    verdict: Literal["first", "second", "none", "unknown"]
    """Which of the two is better beyond noise."""


class Comparison(Struct, tag_field="format", tag="facebench-comparison/1"):
    """What ``facebench compare A B --json`` prints."""

    first: str
    second: str
    metrics: dict[str, Difference]


class Planned(Struct):
    """How many images tell two models apart by one metric."""

    title: str
    difference: float
    """That is to be told: the one seen, the first less the second, or the one that is wanted."""
    seen: bool
    """Whether the difference seen is beyond noise already."""
    images: float | None
    """Generated images of each model, and real ones in proportion; null where nothing is known of
    the noise."""
    least: float | None
    """As many if the difference is as large as its 95 % interval allows."""
    most: float | None
    """If it is as small; null where it may be 0, and where a difference was wanted."""
    seconds: float | None
    """What drawing and scoring them takes, scoring at most; null where no speed is known."""


class Plan(Struct, tag_field="format", tag="facebench-plan/1"):
    """What ``facebench plan A B --json`` prints."""

    first: str
    second: str | None
    power: float
    num: Natural
    """Generated images of each model now."""
    num_reference: Natural
    """Real ones."""
    metrics: dict[str, Planned]


FILES = (
    *(ResultFile, Leaderboard, Comparison, Plan, Visuals),
    *(Manifest, Version, Verdict, Judgement),
)
PARTS = (
    *(Value, Protocol, Row, Ordering, Group, Difference, Planned, Gallery, Plane, Held),
    *(JudgedValue, ComparedPictures),
    *(Estimate, Judged, Agreement, LeftOut),
)
TARGET = Path(__file__).parents[1] / "schema.json"


def schema() -> dict[str, Any]:
    """Return the JSON Schema of all that facebench writes, told apart by its format."""
    forms, definitions = msgspec.json.schema_components(FILES, ref_template="#/$defs/{name}")
    kinds = {kind.__name__: kind for kind in (*FILES, *PARTS)}
    for name, definition in definitions.items():
        texts = _descriptions(kinds[name])
        definition["additionalProperties"] = False
        for each in msgspec.inspect.type_info(kinds[name]).fields:  # type: ignore[attr-defined]
            if each.name in texts:
                definition["properties"][each.encode_name]["description"] = texts[each.name]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What facebench writes as JSON for others to read",
        "oneOf": list(forms),
        "$defs": definitions,
    }


def _descriptions(kind: type) -> dict[str, str]:
    """Return what the strings below its fields say of them."""
    texts = {}
    for base in reversed([each for each in kind.__mro__ if each not in Struct.__mro__]):
        [definition] = ast.parse(inspect.getsource(base)).body
        assert isinstance(definition, ast.ClassDef)
        for name, text in itertools.pairwise(definition.body):
            if isinstance(name, ast.AnnAssign) and isinstance(text, ast.Expr):
                texts[ast.unparse(name.target)] = " ".join(ast.literal_eval(text.value).split())
    return texts


def as_text(schema: dict[str, Any]) -> str:
    """Return `schema` as JSON with one definition a line."""
    lines = [f"{json.dumps(name)}: {json.dumps(each)}" for name, each in schema["$defs"].items()]
    head = json.dumps(schema | {"$defs": {}}).removesuffix("}}")
    return head + "\n" + ",\n".join(lines) + "\n}}\n"


if __name__ == "__main__":
    write_text(TARGET, as_text(schema()))
