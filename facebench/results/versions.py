"""Frozen versions of a board: what its leaderboard was when somebody gave it a name.

``versions/NAME.json``, beside the results, holds a copy of ``leaderboard.json`` and a digest of it
and of all earlier versions. Later rows change neither.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from facebench.errors import BadInput
from facebench.files import read_json
from facebench.results.digest import digest_of
from facebench.results.json_schema import Version

FOLDER = "versions"


def read_versions(board: Path) -> list[Version]:
    """Read every frozen version of a board, the oldest first; none where nothing was frozen.

    Raises:
        BadInput: for a file that is no frozen version.
    """
    paths = sorted((board / FOLDER).glob("[!.]*.json"))
    return sorted(map(read_version, paths), key=lambda each: (len(each.earlier), each.name))


def read_version(path: Path) -> Version:
    """Read one frozen version, or raise :class:`BadInput` where it is none, or was changed."""
    record = read_json(path)
    try:
        if not isinstance(record, dict) or "format" not in record:
            raise ValueError("it names no format")
        version = msgspec.convert(record, Version)
    except ValueError as error:
        raise BadInput(f"{path} is not a frozen version of a board: {error}.") from error
    if version.name != path.stem or version.digest != content_digest(record):
        raise BadInput(
            f"{path} was changed after it was frozen: its content has another digest than it says, "
            "so put the file back as it was, from a copy or from whoever published it."
        )
    return version


def content_digest(record: Mapping[str, Any]) -> str:
    """Return the sha256 of what a version freezes: its name, its rows and ranks, what was before.

    >>> empty = {"name": "v1", "earlier": {}, "leaderboard": {}}
    >>> content_digest(empty) == content_digest({"created": "today", **empty})
    True
    """
    return digest_of({name: record[name] for name in ("name", "earlier", "leaderboard")})
