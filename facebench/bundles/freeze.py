"""Frozen boards: a name for what the leaderboard is now, that no later row can change."""

import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from facebench.bundles.verdict import FOLDER as VERDICTS
from facebench.errors import BadInput
from facebench.files import read_json, write_json
from facebench.plugins import registry
from facebench.results.json_schema import Version
from facebench.results.result import read_results
from facebench.results.versions import FOLDER, content_digest, read_version, read_versions
from facebench.text import listed, shown

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,59}", re.ASCII)
_ADDRESS = re.compile(r"(?P<name>[^@]+)(?:@(?P<digest>[0-9a-f]{8,64}))?")


@dataclass(frozen=True)
class Frozen:
    """A version, and whether it was made just now."""

    version: Version
    is_new: bool


def freeze(board: Path, name: str) -> Frozen:
    """Freeze the leaderboard of a board as ``versions/NAME.json``; what is frozen so stays.

    Raises:
        BadInput: where the leaderboard is not what the rows give now, where another one is frozen
            under this name, and where a frozen file was changed.
    """
    if not _NAME.fullmatch(name):
        raise BadInput(
            f"A version cannot be called {shown(name)!r}: take letters, digits, dots, dashes and "
            "underscores, 60 at most, as in v1."
        )
    leaderboard, versions = _leaderboard(board), check(board)
    path = board / FOLDER / f"{name}.json"
    if path.exists():
        if read_json(path)["leaderboard"] != leaderboard:
            raise BadInput(
                f"{path} is frozen, with other rows or ranks: freeze the board as it is now under "
                f"another name than {name}."
            )
        return Frozen(read_version(path), is_new=False)
    earlier = {version.name: version.digest for version in versions}
    content = {"name": name, "earlier": earlier, "leaderboard": leaderboard}
    digest, now = content_digest(content), datetime.now(UTC).isoformat(timespec="seconds")
    path.parent.mkdir(exist_ok=True)
    head = {"format": "facebench-frozen/1", "digest": digest, "created": now}
    write_json(path, head | content)
    return Frozen(read_version(path), is_new=True)


def check(board: Path, address: str | None = None) -> list[Version]:
    """Return the frozen versions of a board, the oldest first, if every one is as it was frozen.

    Args:
        board: the folder.
        address: only the version of this name; behind an ``@`` its digest may follow, or how it
            begins, as it was published.

    Raises:
        BadInput: for one that was changed, or is gone though a later one names it; for an `address`
            that is no version's.
    """
    versions = read_versions(board)
    found = {version.name: version for version in versions}
    for version in versions:
        for name, digest in version.earlier.items():
            if name not in found or found[name].digest != digest:
                raise BadInput(
                    f"{board / FOLDER / name}.json is not what it was when {version.name} was "
                    "frozen: put the file back as it was, from a copy or from whoever published it."
                )
    return versions if address is None else [_addressed(found, address, board)]


def _addressed(found: dict[str, Version], address: str, board: Path) -> Version:
    match = _ADDRESS.fullmatch(address)
    version = found.get(match["name"]) if match else None
    if match is None or version is None:
        there = listed(found, most=12) or "none"
        raise BadInput(f"{board} has no version {shown(address)!r}; it has: {there}.")
    if not version.digest.startswith(match["digest"] or ""):
        raise BadInput(
            f"{board / FOLDER / version.name}.json is another {version.name} than {address}: its "
            f"digest is {version.digest}."
        )
    return version


def _leaderboard(board: Path) -> Any:
    """Return what ``leaderboard.json`` holds, if it is what the rows give now."""
    results, path = read_results(board), board / "leaderboard.json"
    if not path.is_file():
        raise BadInput(f"There is no {path}: draw the board by facebench report {board}.")
    there = read_json(path)
    draw: Callable[..., Path] = registry.find("reporters", "json")
    with tempfile.TemporaryDirectory() as folder:
        if (board / VERDICTS).is_dir():
            shutil.copytree(board / VERDICTS, Path(folder) / VERDICTS)
        now = read_json(draw(results, Path(folder), **_settings(there)))
    if now != there:
        raise BadInput(
            f"{path} is not what the rows of {board} give: draw it again by facebench report "
            f"{board}, and look at it before it is frozen."
        )
    return there


def _settings(leaderboard: Any) -> dict[str, Any]:
    """Return how a leaderboard was drawn, as far as its own words say."""
    groups = leaderboard.get("groups") if isinstance(leaderboard, dict) else None
    kept = [group for group in groups or [] if isinstance(group, dict)]
    corrections = [group["correction"] for group in kept if group.get("correction") == "holm"]
    return {
        "force": any("forced" in group for group in kept),
        "correction": corrections[0] if corrections else "none",
    }
