"""What is to be seen of people: attributes of pictures, from a list as CelebA's."""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from facebench.data.beside import LONGEST_NAME, MOST_ATTRIBUTES, UNKNOWN, Attributes
from facebench.data.picture_lists import FILES, Listed, Row, column_of, read_rows, reading
from facebench.errors import BadInput
from facebench.text import printable, shown

_WAY_OUT = (
    "save it as CelebA's list_attr_celeba.txt, or as CSV in UTF-8 with a header, file and one "
    "attribute a column, each of them 1 or 0 (or 1 or -1), or leave out --attributes"
)
_YES, _NO, _MINUS, _EMPTY = 1, 0, 2, 3  # as they are written; what -1 means, the whole list tells
_WORDS = {
    **dict.fromkeys(("1", "1.0", "true", "yes"), _YES),
    **dict.fromkeys(("0", "0.0", "false", "no"), _NO),
    **dict.fromkeys(("-1", "-1.0"), _MINUS),
    **dict.fromkeys(("", "nan"), _EMPTY),
}


def attributes_in_list(path: Path, names: Sequence[str]) -> tuple[Attributes, list[str]]:
    """Return the attributes of each picture, as the list at `path` says, and notes on that.

    A picture that it does not name has none that is known, and a note says of how many that is so.
    """
    listed: Listed[bytes] = Listed(path)
    with reading(path, _WAY_OUT):
        rows = read_rows(path)
        attributes, file, rows = _header(rows)
        seen: set[int] = set()
        for name, codes in _codes(rows, attributes, file):
            listed.add(name, codes)
            seen |= set(codes)
    if {_NO, _MINUS} <= seen:
        raise BadInput(
            f"{path} has 0 and -1, of which either may mean that something is not known: leave "
            "such fields empty, and write 1 and 0, or 1 and -1."
        )
    matched = listed.of(names)
    unknown = bytes([_EMPTY]) * len(attributes)
    said = b"".join(unknown if each is None else each for each in matched.values)
    meaning = np.array([0, 1, 0, UNKNOWN], np.int8)
    values = meaning[np.frombuffer(said, np.uint8)].reshape(len(names), len(attributes))
    missing = len(names) - matched.named
    without = f"{shown(path.name)}: nothing on {missing:,} of the pictures"
    return Attributes(attributes, values), [matched.note, without if missing else ""]


def _header(rows: Iterator[Row]) -> tuple[list[str], int, Iterator[Row]]:
    """Return the attributes' names, the column of the pictures', and the rows of values."""
    number, first = next(rows, (0, []))
    if len(first) == 1 and first[0].isdecimal():  # CelebA's begins with the number of its rows
        number, first = next(rows, (0, []))
    second = next(rows, None)
    if not first or second is None:
        raise ValueError("it has no header and rows")
    if len(second[1]) == len(first) + 1:  # CelebA's: the names of pictures have no name
        first = ["file", *first]
    file = column_of(first, FILES) or 0
    attributes = [printable(name) for place, name in enumerate(first) if place != file]
    _check_names(attributes, number)
    return attributes, file, chain([second], rows)


def _check_names(names: list[str], number: int) -> None:
    if not 0 < len(names) <= MOST_ATTRIBUTES:
        raise ValueError(f"it has {len(names):,} attributes, and 1 to {MOST_ATTRIBUTES} can be")
    for name in names:
        if not 0 < len(name) <= LONGEST_NAME:
            raise ValueError(f"row {number} has a name of {len(name):,} characters")
        if name.casefold() in _WORDS:
            raise ValueError("it has no header")
    shown_as = [" ".join(name.replace("_", " ").split()) for name in names]  # in tables
    twice = next((name for name in shown_as if shown_as.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"it has the attribute {shown(twice)} twice")


def _codes(rows: Iterator[Row], names: list[str], file: int) -> Iterator[tuple[str, bytes]]:
    """Yield the names of pictures and a code for each attribute."""
    for number, row in rows:
        if len(row) != len(names) + 1:
            raise ValueError(f"row {number} has {len(row)} fields and not {len(names) + 1}")
        name = row.pop(file)
        codes = [_WORDS.get(value.casefold()) for value in row]
        if None in codes:
            place = codes.index(None)
            told = f"{shown(names[place])} is {shown(row[place])}"
            raise ValueError(f"row {number}: {told}, which is neither yes nor no")
        yield name, bytes(code for code in codes if code is not None)
