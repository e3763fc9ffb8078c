"""What lies in a folder, through links and each folder once."""

import os
import stat
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from facebench.errors import BadInput
from facebench.text import shown


@dataclass(frozen=True)
class Tree:
    """The content of a folder and of all below it."""

    files: tuple[str, ...]
    """Regular files and links to such, relative to the folder, sorted part by part."""
    odd: dict[str, str]
    """Everything else by its name, and what it is."""


def tree(folder: Path) -> Tree:
    """Return what lies in `folder` and below, links to folders followed.

    No folder is entered twice, nor one that holds `folder` itself: links make no loop, and no file
    counts twice because its folder goes by two names. A folder's own name goes before a link's.
    """
    files: list[str] = []
    odd: dict[str, str] = {}
    seen = {_identity(each) for each in folder.resolve().parents}
    folders, links = deque([""]), deque[str]()
    while folders or links:
        name = folders.popleft() if folders else links.popleft()
        if (identity := _identity(folder / name)) in seen:
            odd[name] = "a link to a folder that is read already or holds this one"
            continue
        seen.add(identity)
        for entry in _entries(folder / name):
            below = f"{name}/{entry.name}" if name else entry.name
            match _kind(entry):
                case "file":
                    files.append(below)
                case "folder":
                    (links if entry.is_symlink() else folders).append(below)
                case kind:
                    odd[below] = kind
    return Tree(tuple(sorted(files, key=lambda name: name.split("/"))), odd)


def _identity(folder: Path) -> tuple[int, int]:
    found = folder.stat()
    return found.st_dev, found.st_ino


def _entries(folder: Path) -> Iterator["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            return iter(sorted(entries, key=lambda entry: entry.name))
    except OSError as error:
        raise BadInput(
            f"{shown(str(folder))} cannot be listed ({error.strerror}): make it readable, or take "
            "it out."
        ) from error


def _kind(entry: "os.DirEntry[str]") -> str:
    try:
        mode = entry.stat().st_mode
    except OSError as error:
        return "a link that leads nowhere" if entry.is_symlink() else str(error.strerror)
    if stat.S_ISDIR(mode):
        return "folder"
    return "file" if stat.S_ISREG(mode) else "a pipe, a socket or a device"
