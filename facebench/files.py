"""Files are written whole or not at all."""

import hashlib
import json
import math
import os
import re
import shutil
import tokenize
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from facebench.errors import BadInput
from facebench.folder_walk import tree
from facebench.text import name_bytes

ARRAY_DAMAGE = (
    *(OSError, ValueError, TypeError, KeyError, EOFError, RuntimeError, OverflowError, MemoryError),
    *(zipfile.BadZipFile, zlib.error, tokenize.TokenError, SyntaxError),
)
"""What NumPy raises over a broken ``.npy`` or ``.npz``."""
_NUMBERS = re.compile(r"\[\n[\s\d.,eE+-]+\]")  # no string of JSON's has a line break


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a path beside `target` to write to; it takes `target`'s place only if all went well."""
    target.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays the same because many writers choose their format by it.
    partial = target.with_name(f".{uuid4().hex}{target.suffix}")
    try:
        yield partial
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yield a folder beside `target` to fill; it takes `target`'s place only if all went well."""
    target = target.resolve()  # through a link, or the current folder
    target.parent.mkdir(parents=True, exist_ok=True)
    is_fixed = target.is_dir() and (os.path.ismount(target) or target == Path.cwd())
    home = target if is_fixed else target.parent
    partial = home / f".{target.name[:50]}-{uuid4().hex}"
    partial.mkdir()
    try:
        yield partial
        if is_fixed:  # a volume that is mounted there, say, which must stay
            for each in partial.iterdir():
                os.replace(each, target / each.name)
            return
        with suppress(FileNotFoundError):
            target.rmdir()  # an empty folder may be replaced, a filled one never
        os.replace(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_text(target: Path, text: str) -> None:
    """Write UTF-8 text atomically; what is none, in odd file names, as escapes (JSON's own)."""
    with atomic_path(target) as partial:
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(target: Path, value: Any) -> None:
    """Write indented JSON atomically; NaN and infinities are refused, for JSON has none.

    Lists of numbers stay on one line each.
    """
    write_text(target, json_text(value))


def json_text(value: Any) -> str:
    """Return JSON as `write_json` writes it."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    return _NUMBERS.sub(lambda m: f"[{' '.join(m[0][1:-1].split())}]", text) + "\n"


def read_json(path: Path) -> Any:
    """Read JSON, with a sentence instead of a traceback when it is not."""
    try:
        return parse_json(path.read_bytes(), path)
    except OSError as error:
        raise BadInput(f"{path} is not readable as JSON: {error}.") from error


def parse_json(data: bytes, name: object, *, once: bool = False) -> Any:
    """Return what JSON in UTF-8 says, or raise :class:`BadInput` naming it `name`.

    With `once`, a key that an object has twice is refused: readers differ in which one they take.
    """
    pairs = _each_once if once else None
    try:
        text = data.decode("utf-8")
        return json.loads(
            text, parse_constant=_no_number, parse_float=_finite, object_pairs_hook=pairs
        )
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{name} is not readable as JSON: {error}.") from error


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(n for n in names if names.count(n) > 1)[:100]!r} is there twice")
    return found


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"{digits[:20]} is too large a number")
    return number


def file_digest(path: Path) -> str:
    """Return the sha256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def tree_digest(path: Path) -> str:
    """Return the sha256 of a file, or of a folder's names and contents in sorted order.

    Links to folders are followed as :func:`facebench.folder_walk.tree` does; where they lead to
    what is in the tree already, it is their targets that count.
    """
    if path.is_file():
        return file_digest(path)
    digest, found = hashlib.sha256(), tree(path)
    for name in found.files:
        digest.update(name_bytes(name) + f"\0{file_digest(path / name)}\n".encode())
    for name in sorted(found.odd):
        target = os.readlink(path / name) if (path / name).is_symlink() else ""
        digest.update(name_bytes(name) + b"\0-> " + name_bytes(target) + b"\n")
    return digest.hexdigest()


def file_digests(names: Iterable[str]) -> dict[str, str]:
    """Return the sha256 of each file or folder that is there, by its name."""
    there = (name for name in sorted(names) if Path(name).is_file() or Path(name).is_dir())
    return {name: tree_digest(Path(name)) for name in there}
