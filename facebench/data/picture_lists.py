"""Files of text that say something of pictures, one row each: their fields, and whose row is whose.

CSV (commas, tabs or semicolons) and CelebA's own text (blanks) are read. The names of files in them
are looked up among the pictures that are there, and never opened.
"""

import csv
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from posixpath import normpath
from typing import Generic, TypeVar

from facebench.data.picture_files import check_kind
from facebench.errors import BadInput
from facebench.text import printable, shown

FILES = ("file", "file_name", "filename", "image_id", "image", "image_name", "path")
"""What a column of file names is called, the first of them that there is."""
_LARGEST = 1 << 30  # bytes: three million pictures with fifty attributes have half of that
_LONGEST = 1 << 20  # characters of a line
Value = TypeVar("Value")
Row = tuple[int, list[str]]
"""Its number, and its fields."""


@contextmanager
def reading(path: Path, way_out: str) -> Iterator[None]:
    """Say in a sentence that a list is broken."""
    try:
        yield
    except (OSError, ValueError, csv.Error) as error:
        raise BadInput(f"{path} cannot be read ({shown(str(error))}): {way_out}.") from error


def read_rows(path: Path) -> Iterator[Row]:
    """Yield the rows that are not empty, or raise ``ValueError`` or ``csv.Error``."""
    check_kind(path)
    if path.is_dir():
        raise ValueError("it is a folder")
    if path.stat().st_size > _LARGEST:
        raise ValueError("it is too large for a list of pictures")
    lines = _lines(path)
    first = next((line for line in lines if line.strip()), "")
    mark = next((each for each in "\t,;" if each in first), None)
    every = _joined(first, lines)
    if mark is None:
        rows: Iterator[list[str]] = (line.split() for line in every)
    else:
        rows = csv.reader(every, delimiter=mark, strict=True)
    for number, row in enumerate(rows, 1):
        if any(field.strip() for field in row):
            yield number, [field.strip() for field in row]


def _joined(first: str, lines: Iterator[str]) -> Iterator[str]:
    yield first
    yield from lines


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        while line := stream.readline(_LONGEST):
            if len(line) == _LONGEST or "\0" in line:
                raise ValueError("it is not text in lines")
            yield line


@dataclass(frozen=True)
class Matched(Generic[Value]):
    """What a list says of each picture."""

    values: list[Value | None]
    """None for pictures that it does not name."""
    note: str = ""
    """How the pictures' names were found, where not as they are."""

    @property
    def named(self) -> int:
        """How many pictures it names."""
        return len(self.values) - self.values.count(None)


class Listed(Generic[Value]):
    """What the rows of a list say, by the names of pictures."""

    def __init__(self, path: Path):
        self.path = path
        self._said: dict[str, tuple[str, Value]] = {}

    def add(self, name: str, value: Value) -> None:
        """Note what a row says; the same may be said twice, but not another."""
        key = _whole(name)
        before = self._said.setdefault(key, (name, value))
        if before[1] != value:
            raise BadInput(
                f"{self.path} says of {shown(name)} one thing in one row and another in another: "
                "correct it."
            )

    def of(self, names: Sequence[str]) -> Matched[Value]:
        """Return what is said of each picture, or refuse a list of others altogether.

        Names are compared as they are, or without some of their folders or their ending, as far as
        no two pictures, and no two rows that differ, are then called the same.
        """
        best = Matched[Value]([None] * len(names))
        for rule in _RULES:
            found = self._by(rule, names)
            if found.named > best.named:
                best = found
            if best.named == len(names):
                break
        if not best.named:
            row = next(iter(self._said), None)
            its = f"{shown(row)} for one" if row is not None else "or nothing at all"
            raise BadInput(
                f"{self.path} says nothing of any picture, {shown(names[0])} for one, but of "
                f"others, {its}: name the list of these pictures, or write their names into it as "
                "files.txt of a prepared data set has them."
            )
        return best

    def _by(self, rule: "_Rule", names: Sequence[str]) -> Matched[Value]:
        """Return what is said of pictures by one way to compare names, nothing if it confuses."""
        nothing: Matched[Value] = Matched([None] * len(names))
        keys = [rule.key(_whole(name)) for name in names]
        if rule.told and len(set(keys)) < len(keys):
            return nothing
        said: dict[str, tuple[str, Value]] = {}
        wanted = set(keys)
        for key, (name, value) in self._said.items():
            short = rule.key(key)
            if short in wanted and said.setdefault(short, (name, value))[1] != value:
                return nothing
        values = [said[key][1] if key in said else None for key in keys]
        named = zip(names, (said.get(key, ("", None))[0] for key in keys), strict=True)
        other = next(
            (pair for pair in named if pair[1] and _whole(pair[0]) != _whole(pair[1])), None
        )
        if other is None:
            return Matched(values)
        pair = f"{shown(other[0])} is {shown(other[1])} there"
        return Matched(values, f"{shown(self.path.name)}: names compared {rule.told} ({pair})")


def _whole(name: str) -> str:
    """Return a name as that of a picture is: printable, its accents in one form."""
    return unicodedata.normalize("NFC", printable(normpath(name)))


@dataclass(frozen=True)
class _Rule:
    """One way to compare names; `told` says which, and is empty for names as they are."""

    key: Callable[[str], str]
    told: str = ""


def _last_two(name: str) -> str:
    return "/".join(name.split("/")[-2:])


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _without_ending(name: str) -> str:
    before, _, ending = name.rpartition(".")
    return (before if _last(before) and "/" not in ending else name).casefold()


_RULES = (
    _Rule(lambda name: name),
    _Rule(_last_two, "by their last folder"),
    _Rule(_last, "without folders"),
    _Rule(_without_ending, "without endings"),
    _Rule(lambda name: _without_ending(_last_two(name)), "by their last folder, without endings"),
    _Rule(lambda name: _without_ending(_last(name)), "without folders and endings"),
)
"""From the strictest on, for the first of those that name the most pictures is taken."""


def column_of(header: Sequence[str], names: Sequence[str]) -> int | None:
    """Return which column is called by one of `names`, in their order; None if none is."""
    plain = [each.casefold() for each in header]
    return next((plain.index(name) for name in names if name in plain), None)
