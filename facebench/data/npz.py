"""The arrays of a ``.npz``: which of them are pictures, and which their labels.

ADM's samples are ``arr_0`` with labels in ``arr_1``; its reference batches hold ``arr_0`` and
statistics of it; others call them `images`, `samples`, `x` and `labels`, `y`.
"""

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np

from facebench.data.labels import LABELS, NoClasses, is_labels, labels_of
from facebench.errors import BadInput
from facebench.files import ARRAY_DAMAGE
from facebench.text import shown

_LARGEST = 8 << 30
"""Bytes of a compressed array, which is held in memory; one that is stored plainly is not."""
_LARGEST_LABELS = 1 << 30
HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_SIGNATURE = b"PK\3\4"
_LOCAL_HEADER = struct.Struct("<4s22xHH")  # of a zip: its signature, lengths of name and extras


@dataclass(frozen=True)
class _Array:
    """What the header of an array claims."""

    name: str
    info: ZipInfo
    shape: tuple[int, ...]
    is_fortran: bool
    dtype: np.dtype

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def is_pictures(self) -> bool:
        return len(self.shape) == 4 and 3 in (self.shape[1], self.shape[3])


def is_npz(path: Path) -> bool:
    """Say whether `path` is one, by its content: a zip of nothing but arrays, one of pictures."""
    if not _first_name(path).endswith(b".npy"):
        return False  # without a look at the whole table of contents
    try:
        with ZipFile(path) as archive:
            names = archive.namelist()
            if not all(name.endswith(".npy") and "/" not in name for name in names):
                return False
            return any(len(each.shape) == 4 for each in _arrays(archive))
    except ARRAY_DAMAGE:
        return False


def _first_name(path: Path) -> bytes:
    """Return the name of the first file in a zip; nothing of what is none."""
    with path.open("rb") as stream:
        header = stream.read(_LOCAL_HEADER.size)
        if not header.startswith(_SIGNATURE) or len(header) < _LOCAL_HEADER.size:
            return b""
        return stream.read(_LOCAL_HEADER.unpack(header)[1])


def load_npz(path: Path) -> np.ndarray:
    """Return the only array, or the one that is pictures; memory-mapped if it is stored plainly.

    Raises what :data:`facebench.files.ARRAY_DAMAGE` says over a broken one.
    """
    with ZipFile(path) as archive:
        arrays = _arrays(archive)
        return _load(path, archive, arrays[0] if len(arrays) == 1 else _pictures(path, arrays))


def load_labels(path: Path, count: int) -> list[str] | None:
    """Return the labels of `count` pictures: whole numbers, or one-hot vectors.

    Raises :class:`facebench.data.labels.NoClasses` over other vectors, and what
    :data:`facebench.files.ARRAY_DAMAGE` says over broken ones.
    """
    with ZipFile(path) as archive:
        found = [each for each in _arrays(archive) if _is_labels(each, count)]
        if len(found) > 1:
            raise BadInput(
                f"{path} holds {len(found)} arrays that could be labels ({_names(found)}): save "
                "one of them with the pictures."
            )
        if found and found[0].bytes > _LARGEST_LABELS:
            raise NoClasses(f"{found[0].bytes >> 20} MiB are no classes")
        return labels_of(_load(path, archive, found[0])) if found else None


def _arrays(archive: ZipFile) -> list[_Array]:
    found = []
    for info in archive.infolist():
        with archive.open(info) as stream:
            header = HEADERS[np.lib.format.read_magic(stream)](stream)
            name = info.filename.removesuffix(".npy")
            array = _Array(shown(name), info, *header)
            room = info.file_size - stream.tell()
        if array.bytes > room:
            raise ValueError(f"its header claims the shape {array.shape}, more than there is")
        found.append(array)
    return found


def _pictures(path: Path, arrays: list[_Array]) -> _Array:
    found = [each for each in arrays if each.is_pictures]
    found = [each for each in found if each.dtype == np.uint8] or found
    if len(found) == 1:
        return found[0]
    if found:
        raise BadInput(
            f"{path} holds {len(found)} arrays of pictures ({_names(found)}): save the ones that "
            "are meant alone in one."
        )
    if {"mu", "sigma"} <= {each.name for each in arrays}:
        raise BadInput(
            f"{path} holds statistics of features (mu, sigma) and no pictures: it can be the REAL "
            "side of facebench score; for all else name the pictures that it was made of."
        )
    raise BadInput(
        f"{path} holds {len(arrays)} arrays ({_names(arrays)}), none of pictures: save them as "
        "uint8 of shape (n, 3, h, w) or (n, h, w, 3)."
    )


def _is_labels(array: _Array, count: int) -> bool:
    return array.name in {*LABELS, "arr_1"} and is_labels(array.shape, array.dtype, count)


def _names(arrays: list[_Array]) -> str:
    return ", ".join([each.name for each in arrays][:6])


def _load(path: Path, archive: ZipFile, array: _Array) -> np.ndarray:
    """Return an array; memory is taken for no more than there is."""
    if array.dtype.hasobject:
        raise ValueError("it holds Python objects, which are not unpickled")
    if array.info.compress_type == ZIP_STORED and not array.info.flag_bits & 1 and array.bytes:
        return _mapped(path, array)
    if array.info.file_size > _LARGEST:
        raise BadInput(
            f"{path} unpacks to {array.info.file_size >> 30} GiB, too much to hold in memory: save "
            "it again with numpy.savez, which does not compress."
        )
    with archive.open(array.info) as stream:
        return np.lib.format.read_array(stream, allow_pickle=False)


def _mapped(path: Path, array: _Array) -> np.ndarray:
    with path.open("rb") as stream:
        stream.seek(array.info.header_offset)
        signature, *lengths = _LOCAL_HEADER.unpack(stream.read(_LOCAL_HEADER.size))
        if signature != _SIGNATURE:
            raise ValueError("its table of contents points elsewhere")
        stream.seek(sum(lengths), 1)
        if HEADERS[np.lib.format.read_magic(stream)](stream) != (
            array.shape, array.is_fortran, array.dtype
        ):  # fmt: skip
            raise ValueError("its table of contents points elsewhere")
        start = stream.tell()
    mapped = np.memmap(path, array.dtype, "r", start, (array.bytes // array.dtype.itemsize,))
    return mapped.reshape(array.shape, order="F" if array.is_fortran else "C")
