"""A verdict: whether somebody who has model and data got a row's values again.

``verdicts/NAME.json``, beside ``NAME.json`` of a results folder, is what ``facebench verify`` says
of that row. It names the record that it judges by a digest, so it says nothing of any other: of a
row that was evaluated again, or edited.
"""

import json
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from facebench.errors import BadInput
from facebench.files import read_json, write_json
from facebench.metrics.reproduced import Outcome
from facebench.results.result import Natural, Positive, Result, Value, as_record

FOLDER = "verdicts"
"""The folder, among the results, in which boards look for verdicts."""
Likeness = Literal["same", "close", "other", "absent"]
Badge = Literal["reported", "reproduced", "not reproduced"]
_JUDGED = ("model_digest", "first_seed", "protocol", "metrics")
"""What of a record is judged: not what the row is called, nor where or when it was made."""


class JudgedValue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is said of one metric."""

    submitted: float
    outcome: Outcome
    redrawn: Value | None = None
    """What as many images of the redrawn seeds score; null where it was not computed."""
    low: float | None = None
    """Where the interval begins in which the submitted value must lie; null: not judged."""
    high: float | None = None
    p: float | None = None
    """The share of honest rows, with as many metrics, of which some value would be as far off."""
    why: str = ""
    """In words, where it is not reproduced or not judged."""


class ComparedPictures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The submitted pictures beside those that the model draws of the same seeds here."""

    likeness: Likeness
    """"same": to the bit; "close": each within the tolerance; "absent": there are none."""
    count: Natural = 0
    mean: float | None = None
    """The mean absolute difference, in grey levels."""
    largest: Natural | None = None
    """The largest one of any pixel."""


class Verdict(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    tag_field="format",
    tag="facebench-verdict/1",
):
    """``verdicts/NAME.json``: whether the values of one row were got again."""

    model: str
    record: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    """The digest of what it judges, see `record_digest`."""
    reproduced: bool
    """Whether all values that can be judged are reproduced, and the pictures are no others."""
    ranking: str
    """The metric that boards are ordered by."""
    level: float
    """The share of honest rows that are not called reproduced."""
    metrics: dict[str, JudgedValue]
    pictures: ComparedPictures
    num: Positive
    """How many images were redrawn, as many as were submitted."""
    first_seed: Natural
    """The first of the redrawn seeds."""
    seed_from: Literal["the operating system", "the command line"]
    """What chose it. A board honours only those that nobody chose."""
    model_digest: str
    """That of the model they were drawn from, which tells where its files lie as well."""
    environment: dict[str, str]
    """Versions and device."""
    created: str
    """ISO 8601, UTC."""

    @property
    def badge(self) -> Badge:
        """What a board says of the row."""
        return "reproduced" if self.reproduced else "not reproduced"


def record_digest(result: Result) -> str:
    """Return the sha256 of what a verdict judges of `result`.

    It is the same whatever the row is called, and wherever its record lies.
    """
    record = as_record(result)
    judged = {name: record[name] for name in _JUDGED}
    return sha256(json.dumps(judged, sort_keys=True).encode()).hexdigest()


def write_verdict(verdict: Verdict, folder: Path) -> Path:
    """Write ``folder/MODEL.json`` atomically and return that path."""
    target = folder / f"{verdict.model}.json"
    write_json(target, msgspec.to_builtins(verdict))
    return target


def read_verdict(path: Path) -> Verdict:
    """Read one verdict, or raise :class:`BadInput` saying what is wrong with the file."""
    try:
        return msgspec.convert(read_json(path), Verdict)
    except msgspec.ValidationError as error:
        raise BadInput(f"{path} is not a verdict of facebench verify: {error}.") from error


def find_verdict(folder: Path, result: Result) -> Verdict | None:
    """Return the verdict that lies among the results in `folder` and is about this very record.

    One that is damaged, of another record, or whose seeds somebody chose, is none.
    """
    path = folder / FOLDER / f"{result.model}.json"
    if Path(result.model).name != result.model or not path.is_file():
        return None
    try:
        verdict = read_verdict(path)
    except BadInput:
        return None
    is_fair = verdict.seed_from == "the operating system"
    return verdict if is_fair and verdict.record == record_digest(result) else None
