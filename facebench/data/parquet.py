"""Parquet as Hugging Face's data sets write it: a column of encoded pictures, and one of labels.

Pictures are ``struct{bytes, path}`` or plain bytes; a path is not followed. Row groups are read
one by one, when the first of their pictures is wanted.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from PIL import Image

from facebench.data.archive import DAMAGE, bomb, check_size, damaged, most_unpacked
from facebench.data.decode import Unreadable, decode
from facebench.data.labels import COLUMNS, NoClasses, as_label, complete
from facebench.data.source import Pictures
from facebench.data.spool import Spool
from facebench.errors import BadInput
from facebench.files import file_digest
from facebench.text import printable, shown

SUFFIXES = frozenset({".parquet"})
_MAGIC = b"PAR1"
_SMALLEST = 64
"""Bytes that a picture takes; fewer for each are a claim, not pictures."""
_FEW = 4096  # rows that may be smaller: of one picture, many times
_IMAGES = ("image", "img")  # preferred among columns of bytes


def is_parquet(path: Path) -> bool:
    """Say whether `path` is such a file, by its content."""
    with path.open("rb") as stream:
        return stream.read(len(_MAGIC)) == _MAGIC


def open_parquet(path: Path, with_labels: bool) -> Pictures:
    """Open one Parquet file."""
    return open_tables(path, path.parent, [path.name], with_labels)


def open_tables(path: Path, home: Path, files: Sequence[str], with_labels: bool) -> Pictures:
    """Open Parquet files as one set of pictures.

    Args:
        path: what the user named.
        home: the folder that all lie in.
        files: their names in that folder.
        with_labels: read labels, where there are any.
    """
    tables = [_Table.open(home / name) for name in files]
    groups = [(table, group) for table in tables for group in range(len(table.counts))]
    counts = [table.counts[group] for table, group in groups]
    names = [
        f"{printable(name)}[{row}]"
        for name, table in zip(files, tables, strict=True)
        for row in range(sum(table.counts))
    ]
    if not names:
        raise BadInput(f"{path} holds no pictures, as it has no rows: give another file.")
    most = most_unpacked(*[table.path for table in tables])
    spool = Spool(path, counts, lambda number: groups[number][0].pictures(groups[number][1]), most)

    def read(index: int) -> bytes:
        data = spool[index]
        if data is None:
            raise Unreadable(
                f"{names[index]} has no bytes, at most the path of a picture elsewhere, which is "
                "not followed: save the pictures themselves in it."
            )
        return data

    def load(index: int) -> Image.Image:
        return decode(names[index], read(index))

    def digest() -> str:
        return sha256("".join(file_digest(home / name) for name in files).encode()).hexdigest()

    pictures = Pictures(names, load, digest, read=read)
    if not with_labels:
        return pictures
    try:
        found = [label for table in tables for label in table.labels()]
    except NoClasses as error:
        return replace(pictures, left_out=[f"labels [{error}]"])
    return pictures.labelled(complete(path, names, found))


@dataclass(frozen=True)
class _Table:
    """A Parquet file: what its footer claims, as far as that is possible."""

    path: Path
    footer: Any
    counts: Sequence[int]
    """Of rows in each row group."""
    image: str
    label: str | None
    classes: Sequence[str] | None
    """Names of labels that are numbers."""

    @staticmethod
    def open(path: Path) -> "_Table":
        parquet = _parquet(path)
        try:
            footer = parquet.read_metadata(path)
            schema = footer.schema.to_arrow_schema()
        except DAMAGE as error:
            raise damaged(path, error) from error
        counts = _counts(path, footer)
        features = _features(schema)
        label = next((name for name in COLUMNS if name in schema.names), None)
        image, classes = _image(path, schema, features), _class_names(features.get(label))
        return _Table(path, footer, counts, image, label, classes)

    def pictures(self, group: int) -> Iterator[bytes | None]:
        """Yield the encoded pictures of a row group."""
        for row in self._rows(self.image, [group]):
            data = row["bytes"] if isinstance(row, dict) else row
            if data is not None:
                check_size(self.path, self.image, len(data))
            yield data

    def labels(self) -> list[str | None]:
        """Return every row's label: of numbers that have names, these; of -1, none."""
        if self.label is None:
            return [None] * sum(self.counts)
        rows = self._rows(self.label, list(range(len(self.counts))))
        return [self._label(row) for row in rows]

    def _label(self, row: Any) -> str | None:
        if self.classes is None or not isinstance(row, int) or isinstance(row, bool):
            return as_label(row)
        if not -1 <= row < len(self.classes):
            raise BadInput(
                f"{self.path} has the label {row}, for which there is no name among its "
                f"{len(self.classes)}: correct it, or leave all labels out (--labels none)."
            )
        return None if row == -1 else as_label(self.classes[row])

    def _rows(self, column: str, groups: list[int]) -> Iterator[Any]:
        """Yield a column's values, of which one, and a page, is in memory at a time."""
        try:
            with _parquet(self.path).ParquetFile(
                self.path, metadata=self.footer, memory_map=True, pre_buffer=False
            ) as file:
                for batch in file.iter_batches(
                    1, row_groups=groups, columns=[column], use_threads=False
                ):
                    yield from batch.column(0).to_pylist()
        except DAMAGE as error:
            raise damaged(self.path, error) from error


def _parquet(path: Path) -> Any:
    try:
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise BadInput(
            f"{path} is Parquet, for which the package 'pyarrow' is needed, which is not "
            "installed: pip install 'facebench[parquet]'"
        ) from error
    return pyarrow.parquet


def _counts(path: Path, footer: Any) -> list[int]:
    """Return how many rows each row group has; refuse what a file of this size cannot have."""
    size, rows = path.stat().st_size, footer.num_rows
    groups = [footer.row_group(i) for i in range(footer.num_row_groups)]
    if rows != sum(group.num_rows for group in groups) or rows > max(size // _SMALLEST, _FEW):
        raise BadInput(
            f"{path} claims {rows} pictures, which {size} bytes do not hold: fetch it again, or "
            "write it anew."
        )
    if sum(group.total_byte_size for group in groups) > most_unpacked(path):
        raise bomb(path, most_unpacked(path))
    return [group.num_rows for group in groups]


def _features(schema: Any) -> dict[Any, Any]:
    """Return what Hugging Face's library wrote of each column, if it did."""
    try:
        found = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _class_names(feature: Any) -> Sequence[str] | None:
    match feature:
        case {"_type": "ClassLabel", "names": [str(), *_] as names}:
            return [str(name) for name in names]
    return None


def _image(path: Path, schema: Any, features: dict[Any, Any]) -> str:
    """Return the one column of pictures."""
    from pyarrow import types

    def is_bytes(kind: Any) -> bool:
        if types.is_struct(kind):
            at = kind.get_field_index("bytes")
            return at >= 0 and is_bytes(kind.field(at).type)
        return bool(types.is_binary(kind) or types.is_large_binary(kind))

    found = [field.name for field in schema if is_bytes(field.type)]
    kinds = {name: each.get("_type") for name, each in features.items() if isinstance(each, dict)}
    found = [name for name in found if kinds.get(name) == "Image"] or found
    found = [name for name in found if name in _IMAGES] or found
    if len(found) != 1:
        there = ", ".join(map(shown, (found or schema.names)[:5]))
        raise BadInput(
            f"{path} has {len(found) or 'no'} columns of pictures where one is needed ({there}): "
            "keep one, of bytes or as Hugging Face writes it, called image."
        )
    return found[0]
