"""The feature store: what was computed once, by the content of everything it depends on.

A record is what one extractor made of one chunk of one source. Its key names the data or the model
by digest, the seeds, the network, its weights and its precision, so that it cannot go stale.
Records are safetensors files, written whole and read memory-mapped; key and arrays are sealed by a
digest in the file's header, checked at every load (1 ms for 2 MB). A damaged record is said to be
so, and computed again.

Any number of processes may use one store: whoever writes a key last wins, with the same content.
"""

import json
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from facebench.files import atomic_path

Record = dict[str, np.ndarray]

_TYPES = {"U8": "u1", "I32": "i4", "I64": "i8", "F16": "f2", "F32": "f4", "F64": "f8"}
"""What records may hold: NumPy's types by safetensors' names."""

# What a damaged header makes numpy and json raise.
_DAMAGE = (AttributeError, LookupError, OverflowError, RecursionError, TypeError, ValueError)

MODELS = "models"
"""The folder, among the records, of what is known of models."""
TEMPORARY = ".object-"
"""How the folders of stores begin that last no longer than a row."""
DAY = 86400.0
"""In seconds. A hidden file of this age is no longer being written: its writer was killed."""


class DamagedRecord(UserWarning):
    """A record is not what was written."""


@dataclass(frozen=True)
class StoredFile:
    """A file of the store."""

    path: Path
    size: int
    """In bytes."""
    written: float
    """When, in seconds since the epoch."""


@dataclass(frozen=True)
class FeatureStore:
    """A folder of records."""

    folder: Path

    def path(self, key: str) -> Path:
        """Return the file of the record called `key`."""
        digest = sha256(key.encode()).hexdigest()
        return self.folder / digest[:2] / f"{digest}.safetensors"

    def load(self, key: str) -> Record | None:
        """Return the record called `key`, or None where there is none or, warning, a damaged one.

        Its arrays are memory-mapped, and stay as they are when the file is replaced or removed.

        Warns:
            DamagedRecord: the file is not what was written under this key.
        """
        path = self.path(key)
        try:
            return _read(path, key)
        except FileNotFoundError:
            return None
        except _DAMAGE:
            said = f"The features kept in {path} are damaged; they are computed again."
            warnings.warn(said, DamagedRecord, stacklevel=2)
            return None

    def save(self, key: str, record: Record) -> Record:
        """Keep `record` under `key`, and return it as `load` would, from the file."""
        metadata = {"key": key, "digest": _digest(key, record)}
        arrays = {name: np.asarray(array, order="C") for name, array in record.items()}
        with atomic_path(self.path(key)) as partial:
            partial.write_bytes(save(arrays, metadata))  # save_file's errors are no OSError
            return _mapped(partial)[0]

    def adopt(self, key: str, data: bytes) -> Record:
        """Keep the file of another store's record called `key`, and return it as `load` would.

        Raises:
            ValueError: it is damaged.
        """
        with atomic_path(self.path(key)) as partial:
            partial.write_bytes(data)
            return _read(partial, key)

    def records(self) -> list[StoredFile]:
        """Return the files of all records, in the order of their names."""
        return list(_files(self.folder.glob("*/[!.]*.safetensors")))

    def leftovers(self) -> list[StoredFile]:
        """Return the files that writers left unfinished: hidden ones more than a day old."""
        patterns = ("*/.*.safetensors", f"{TEMPORARY}*/*/*")
        hidden = [file for pattern in patterns for file in _files(self.folder.glob(pattern))]
        return [file for file in hidden if file.written < time.time() - DAY]

    def models(self) -> list[StoredFile]:
        """Return what is known of models, see :mod:`facebench.engine.identity`."""
        return list(_files(self.folder.glob(f"{MODELS}/[!.]*.json")))

    def is_whole(self, path: Path) -> bool:
        """Whether the record at `path` is as it was written, and where its key belongs."""
        try:
            key = read_key(path)
            _read(path, key)
            return path == self.path(key)
        except _DAMAGE:
            return False
        except FileNotFoundError:  # removed a moment ago: there is nothing damaged
            return True


def read_key(path: Path) -> str:
    """Return the key in the header of a record's file, or raise ValueError."""
    try:
        return _mapped(path)[1]["key"]
    except _DAMAGE as error:
        raise ValueError(f"{path} is not a record: {error}") from error


def remove(files: Iterable[StoredFile]) -> int:
    """Remove `files` and return the bytes freed; another process may have removed some before."""
    freed = 0
    for file in files:
        with suppress(FileNotFoundError):
            file.path.unlink()
            freed += file.size
    return freed


def _files(paths: Iterable[Path]) -> Iterator[StoredFile]:
    for path in sorted(paths):
        with suppress(FileNotFoundError):  # removed, or renamed into place, a moment ago
            stat = path.stat()
            yield StoredFile(path, stat.st_size, stat.st_mtime)


def _read(path: Path, key: str) -> Record:
    """Return the arrays at `path`; raises one of _DAMAGE if they, key or digest are others."""
    record, metadata = _mapped(path)
    if metadata != {"key": key, "digest": _digest(key, record)}:
        raise ValueError(f"{path} has another key or digest")
    return record


def _mapped(path: Path) -> tuple[Record, dict[str, str]]:
    """Return the arrays at `path`, memory-mapped, and what the header says of them."""
    data = np.memmap(path, np.uint8, "r")  # safetensors' own reader for numpy would copy
    start = 8 + int.from_bytes(data[:8].tobytes(), "little")
    header = json.loads(data[8:start].tobytes())
    metadata = header.pop("__metadata__")
    record = {name: _array(data[start:], **about) for name, about in header.items()}
    if len(data) != start + sum(array.nbytes for array in record.values()):
        raise ValueError(f"{path} has another length")
    return record, metadata


def _array(
    data: np.ndarray, dtype: str, shape: Sequence[int], data_offsets: Sequence[int]
) -> np.ndarray:
    """Return one array of a safetensors file, as its header describes it."""
    begin, end = data_offsets
    if not 0 <= begin <= end <= len(data):
        raise ValueError("its arrays lie outside")
    return np.asarray(data[begin:end]).view(_TYPES[dtype]).reshape(shape)


def _digest(key: str, record: Record) -> str:
    """Return the sha256 of the key and of every array with its name, type and shape."""
    digest = sha256(key.encode())
    for name, array in sorted(record.items()):
        digest.update(f"\0{name} {array.dtype} {array.shape}\0".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
