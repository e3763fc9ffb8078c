"""Classes of pictures: what counts as a label, and the files that say which picture has which.

- ``dataset.json`` of StyleGAN2-ADA, StyleGAN3 and EDM: ``{"labels": [[NAME, LABEL], ...]}``.
- ``metadata.csv`` and ``metadata.jsonl`` of Hugging Face's imagefolder: `file_name`, and `label`,
  `labels` or `class`.

Names in them are looked up among the pictures that are there: none is opened as a path.
"""

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import Any

import numpy as np

from facebench.data.archive import Members
from facebench.errors import BadInput
from facebench.text import printable, shown

CHOICES = ("files", "folders", "none")
"""Where labels come from: what the files say, the first folder of each name, or nowhere."""
COLUMNS = ("label", "labels", "class")
"""What a column of labels is called, the first of them that there is."""
LABELS = {*COLUMNS, "classes", "target", "targets", "y"}
"""What an array of labels is called."""
_WITHOUT = "leave all labels out (--labels none)"
_LONGEST = 1000  # characters of a class's name
_NUMBER = re.compile(r"-?\d{1,18}")


class NoClasses(ValueError):
    """Labels that are no classes: vectors that are not one-hot, numbers that are not whole."""


def as_label(value: Any) -> str | None:
    """Return a label as text, None where there is none.

    >>> as_label(6), as_label([0, 0, 1.0]), as_label("cat"), as_label("")
    ('6', '2', 'cat', None)
    """
    match value:
        case None | "":
            return None
        case str() if len(value) > _LONGEST:
            raise NoClasses(f"a text of {len(value)} characters is no class")
        case str():
            return printable(value.encode("utf-8", "backslashreplace").decode())
        case int():
            return str(int(value))
        case float() if math.isnan(value):
            return None
        case float() if value.is_integer():
            return str(int(value))
        case list() if all(isinstance(each, int | float) for each in value):
            return str(one_hot(np.asarray([value], np.float64))[0])
    raise NoClasses(f"{shown(str(value)[:99])} is no class")


def one_hot(rows: np.ndarray) -> np.ndarray:
    """Return which column of each row is 1 where all others are 0."""
    if not (np.isin(rows, (0, 1)).all() and (rows.sum(axis=1) == 1).all()):
        raise NoClasses("its vectors are not one-hot")
    return rows.argmax(axis=1)


def is_labels(shape: tuple[int, ...], dtype: np.dtype, count: int) -> bool:
    """Say whether an array has `count` whole numbers or vectors."""
    is_whole = dtype.kind in "iu" and len(shape) == 1
    is_vectors = dtype.kind in "iufb" and len(shape) == 2 and shape[1] > 0
    return shape[:1] == (count,) and (is_whole or is_vectors)


def labels_of(array: np.ndarray) -> list[str]:
    """Return whole numbers, or one-hot vectors, as labels."""
    numbers = array if array.ndim == 1 else one_hot(array)
    return [str(number) for number in numbers.tolist()]


def in_order_of_name(labels: Iterable[str]) -> list[str]:
    """Return the classes there are, numbers in numeric order, else by name.

    >>> in_order_of_name(["10", "9", "9"]), in_order_of_name(["b", "a", "10", "9"])
    (['9', '10'], ['10', '9', 'a', 'b'])
    """
    classes = sorted(set(labels))
    is_numeric = all(_NUMBER.fullmatch(each) for each in classes)
    return sorted(classes, key=int) if is_numeric else classes


def complete(path: Path, names: Sequence[str], labels: Sequence[str | None]) -> list[str] | None:
    """Return a label for every picture, None if none has one, or refuse what has none."""
    known = [label for label in labels if label is not None]
    if len(known) == len(labels):
        return known
    if not known:
        return None
    without = names[labels.index(None)]
    raise BadInput(
        f"{path}: {shown(without)} has no label, while {len(known)} of {len(labels)} pictures have "
        f"one: give it one, or {_WITHOUT}."
    )


def by_folder(
    path: Path, names: Sequence[str], what: str = "class", without: str = _WITHOUT
) -> list[str]:
    """Return the first folder of each name, below one that holds them all, as an archive's may."""
    folders = [PurePosixPath(name).parts[:-1] for name in names]
    if len({parts[:1] for parts in folders}) == 1 and all(len(parts) > 1 for parts in folders):
        folders = [parts[1:] for parts in folders]
    for name, parts in zip(names, folders, strict=True):
        if not parts:
            raise BadInput(
                f"{path}: {shown(name)} lies in no folder that could be its {what}: move it into "
                f"one, or {without}."
            )
    return [str(as_label(parts[0])) for parts in folders]


class Labels:
    """Labels by the names of pictures, gathered from what lies beside them."""

    def __init__(self, path: Path):
        self._path = path
        self._found: dict[str, str] = {}
        self.used: set[str] = set()
        """The files that they came from."""
        self.no_classes: set[str] = set()
        """Files of labels that are no classes."""

    def add(self, name: str, label: str | None, home: str) -> None:
        """Note the label of a picture, which the file `home` gives."""
        if label is None:
            return
        self.used.add(home)
        name = normpath(name)
        if self._found.setdefault(name, label) != label:
            raise BadInput(
                f"{self._path}: {shown(home)} gives {shown(name)} the label {shown(label)}, which "
                f"has another, {shown(self._found[name])}: correct it, or {_WITHOUT}."
            )

    def add_files(self, found: Members) -> None:
        """Read all files that are called as files of labels are."""
        for home in found.names:
            read = _READERS.get(home.rpartition("/")[2])
            if read is None:
                continue
            with self.reading(home):
                rows = [(name, as_label(value)) for name, value in read(found.read(home))]
                for name, label in rows:
                    self.add(str(PurePosixPath(home).parent / name), label, home)

    @contextmanager
    def reading(self, home: str) -> Iterator[None]:
        """Say in a sentence that the file `home` is broken, or note that it has no classes."""
        try:
            yield
        except NoClasses:
            self.no_classes.add(home)
        except (ValueError, TypeError, LookupError, RecursionError, csv.Error) as error:
            raise BadInput(
                f"{self._path}: {shown(home)} cannot be read as labels ({shown(str(error))}): "
                f"mend it, take it away, or {_WITHOUT}."
            ) from error

    def of(self, names: Sequence[str]) -> list[str] | None:
        """Return the labels of pictures, None if there are none at all."""
        if not self._found:
            return None
        labels = complete(self._path, names, [self._found.get(normpath(name)) for name in names])
        if labels is None:
            raise BadInput(
                f"{self._path} has labels for other files than it holds, {shown(min(self._found))} "
                f"for one: name them as they lie there, or {_WITHOUT}."
            )
        return labels


Rows = Iterator[tuple[str, Any]]
"""Names of files, relative to the file that has them, and their labels."""


def _of_json(data: bytes) -> Rows:
    info = json.loads(data)
    labels = info.get("labels") if isinstance(info, dict) else None
    if not isinstance(labels, list | None):
        raise TypeError("its labels are no list of pairs")
    for name, label in labels or ():
        if not isinstance(name, str):
            raise TypeError(f"{name!r:.99} is no file's name")
        yield name, label


def _of_csv(data: bytes) -> Rows:
    yield from _of_rows(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def _of_jsonl(data: bytes) -> Rows:
    yield from _of_rows(json.loads(line) for line in data.splitlines() if line.strip())


def _of_rows(rows: Iterable[Mapping[str, Any]]) -> Rows:
    for row in rows:
        column = next((each for each in COLUMNS if each in row), None)
        if column and "file_name" in row:
            yield str(row["file_name"]), row[column]


_READERS = {"dataset.json": _of_json, "metadata.csv": _of_csv, "metadata.jsonl": _of_jsonl}
