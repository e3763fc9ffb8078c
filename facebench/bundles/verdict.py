"""A verdict on disk: whether somebody who has model and data got a row's values again.

``verdicts/NAME.json``, beside ``NAME.json`` of a results folder, is what ``facebench verify`` says
of that row. It names the record that it judges by a digest, so it says nothing of any other: of a
row that was evaluated again, or edited.
"""

from pathlib import Path

import msgspec

from facebench.errors import BadInput
from facebench.files import read_json, write_json
from facebench.results.digest import row_digest
from facebench.results.result import Result
from facebench.results.verdict import Verdict

FOLDER = "verdicts"
"""The folder, among the results, in which boards look for verdicts."""


def write_verdict(verdict: Verdict, folder: Path) -> Path:
    """Write ``folder/MODEL.json`` atomically and return that path."""
    target = folder / f"{verdict.model}.json"
    write_json(target, msgspec.to_builtins(verdict))
    return target


def read_verdict(path: Path) -> Verdict:
    """Read one verdict, or raise :class:`BadInput` saying what is wrong with the file."""
    record = read_json(path)
    try:
        if not isinstance(record, dict) or "format" not in record:
            raise ValueError("it names no format")
        return msgspec.convert(record, Verdict)
    except ValueError as error:
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
    return verdict if is_fair and verdict.record == row_digest(result) else None
