"""Who is shown: the people of pictures, from a list, from folders, or from a prepared data set."""

import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from facebench.data.labels import by_folder, in_order_of_name
from facebench.data.picture_lists import FILES, Listed, Row, column_of, read_rows, reading
from facebench.errors import BadInput
from facebench.text import printable, shown

FOLDERS = "folders"
"""What is given instead of a list where each person has a folder."""
_COLUMNS = ("identity", "identity_id", "person", "person_id", "subject", "subject_id", "id", "name")
_WITHOUT = "leave out --identities"
_WAY_OUT = (
    "save it as text in UTF-8 with the columns file and identity, or as CelebA's own, a file and a "
    f"number in each line, or {_WITHOUT}"
)
_NUMBER = re.compile(r"0|[1-9]\d{0,17}")
_LONGEST = 1000  # characters of a name


def people_in_folders(source: Path, names: Sequence[str]) -> Int64[np.ndarray, " n"]:
    """Return who each picture shows by the first folder of its name, numbered in their order."""
    return numbered(by_folder(source, names, "person", _WITHOUT))


def people_in_list(path: Path, names: Sequence[str]) -> tuple[Int64[np.ndarray, " n"], str]:
    """Return who each picture shows, as the list at `path` says, and a note on how it was read.

    Whole numbers stay as they are; names are numbered in their order.
    """
    listed: Listed[str] = Listed(path)
    with reading(path, _WAY_OUT):
        for name, identity in _pairs(read_rows(path)):
            if identity:
                listed.add(name, identity)
    matched = listed.of(names)
    known = [value for value in matched.values if value is not None]
    if len(known) < len(names):
        without = names[matched.values.index(None)]
        raise BadInput(
            f"{path} does not say who {shown(without)} shows, while it says so of {len(known):,} "
            f"of {len(names):,} pictures: add the others (under names of their own, if they show "
            f"people of whom there is no other picture), take them out, or {_WITHOUT}."
        )
    return numbered(known), matched.note


def numbered(identities: Sequence[str]) -> Int64[np.ndarray, " n"]:
    """Return whole numbers as they are, and names as their places in their order.

    >>> numbered(["12", "7"]).tolist(), numbered(["Bo", "Al", "Bo"]).tolist()
    ([12, 7], [1, 0, 1])
    """
    if all(_NUMBER.fullmatch(each) for each in identities):
        return np.array([int(each) for each in identities], np.int64)
    numbers = {name: number for number, name in enumerate(in_order_of_name(identities))}
    return np.array([numbers[each] for each in identities], np.int64)


def _pairs(rows: Iterator[Row]) -> Iterator[tuple[str, str]]:
    """Yield names of files and of people."""
    first = next(rows, None)
    if first is None:
        raise ValueError("it is empty")
    file, who = column_of(first[1], FILES), column_of(first[1], _COLUMNS)
    if file is None or who is None:  # no header
        file, who, width, rows = 0, 1, 2, chain([first], rows)
    else:
        width = len(first[1])
    for number, row in rows:
        if len(row) != width:
            raise ValueError(f"row {number} has {len(row)} fields and not {width}")
        if len(row[who]) > _LONGEST:
            raise ValueError(f"row {number} has a name of {len(row[who]):,} characters")
        yield row[file], printable(row[who])
