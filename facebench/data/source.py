"""Picture files in a folder, a zip or a tar, read by name in sorted order."""

import lzma
import tarfile
import weakref
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any

from facebench.errors import BadInput

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}
LARGEST_FILE = 256 << 20
"""Bytes; a larger member of an archive is taken for a decompression bomb."""
_LARGEST_HEADER = 1 << 20  # bytes of what a tar says of its next member
_LARGEST_RATIO = 50  # of a tar's content to its compressed size


_DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError),
    *(EOFError, OSError, ValueError, RuntimeError, MemoryError),
)
"""What the readers of archives raise over broken ones."""


@dataclass(frozen=True)
class ImageFiles:
    """The picture files of one source: their sorted names and how to read one."""

    path: Path
    names: tuple[str, ...]
    read: Callable[[str], bytes]

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        """Yield every file's name and bytes."""
        return ((name, self.read(name)) for name in self.names)

    def digest(self) -> str:
        """Return a sha256 over names and contents: equal for a folder and a zip of it."""
        total = sha256()
        for name, data in self:
            total.update(f"{PurePosixPath(name).name}\0{sha256(data).hexdigest()}\n".encode())
        return total.hexdigest()


def open_images(path: Path) -> ImageFiles:
    """Open the folder, zip or tar at `path`, or raise :class:`BadInput`."""
    if not path.exists():
        raise BadInput(f"There is no file or folder {path}.")
    files = _opener(path)(path)
    if not files.names:
        raise BadInput(f"{path} holds no pictures ({', '.join(sorted(SUFFIXES))}).")
    return files


def _opener(path: Path) -> Callable[[Path], ImageFiles]:
    if path.is_dir():
        return _folder
    if zipfile.is_zipfile(path):
        return _zip
    if _is_tar(path):
        return _tar
    raise BadInput(f"{path} is not a folder, a zip or a tar of pictures.")


def _is_tar(path: Path) -> bool:
    try:
        tarfile.open(path, tarinfo=_Header).close()
        return True
    except tarfile.TarError:
        return False
    except _DAMAGE as error:  # of its compression
        raise BadInput(f"{path} is damaged: {error}.") from error


class _Header(tarfile.TarInfo):
    """A member's header, which is read at once whatever size it claims: a bomb is none."""

    def _proc_member(self, archive: tarfile.TarFile) -> Any:
        if not self.isfile() and self.size > _LARGEST_HEADER:
            raise tarfile.HeaderError(f"a header of {self.size} bytes")
        return super()._proc_member(archive)  # type: ignore[misc]


def _is_picture(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
    return path.suffix.lower() in SUFFIXES and not hidden


def _folder(path: Path) -> ImageFiles:
    found = (p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file())

    def read(name: str) -> bytes:
        _check_size(path, name, (path / name).stat().st_size)
        return (path / name).read_bytes()

    return ImageFiles(path, tuple(sorted(filter(_is_picture, found))), read)


def _zip(path: Path) -> ImageFiles:
    try:
        archive = zipfile.ZipFile(path)
    except _DAMAGE as error:
        raise BadInput(f"{path} is damaged: {error}.") from error

    def read(name: str) -> bytes:
        _check_size(path, name, archive.getinfo(name).file_size)
        try:
            return archive.read(name)
        except _DAMAGE as error:
            raise BadInput(f"{path}: {name} cannot be unpacked ({error}).") from error

    return ImageFiles(path, tuple(sorted(filter(_is_picture, archive.namelist()))), read)


def _tar(path: Path) -> ImageFiles:
    archive = tarfile.open(path, tarinfo=_Header)
    try:
        members = {m.name: m for m in _members(path, archive) if m.isfile() and _is_picture(m.name)}
        _read_to_end(path, archive)
    except BadInput:
        archive.close()
        raise
    except _DAMAGE as error:
        archive.close()
        raise BadInput(f"{path} is damaged: {error}.") from error

    def read(name: str) -> bytes:
        _check_size(path, name, members[name].size)
        stream = archive.extractfile(members[name])
        assert stream is not None, "only regular files were listed"
        return stream.read()

    files = ImageFiles(path, tuple(sorted(members)), read)
    weakref.finalize(files, archive.close)
    return files


def _read_to_end(path: Path, archive: tarfile.TarFile) -> None:
    """Reach the checksum that a compressed tar ends with."""
    left = _most(path)
    while block := archive.fileobj.read(1 << 20):
        left -= len(block)
        if left < 0:
            raise _bomb(path)


def _most(path: Path) -> int:
    """Return how many bytes a tar may unpack to: pictures are not compressed a second time."""
    return LARGEST_FILE + _LARGEST_RATIO * path.stat().st_size


def _bomb(path: Path) -> BadInput:
    return BadInput(f"{path} unpacks to more than {_most(path) >> 20} MiB: it is a bomb.")


def _members(path: Path, archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield the members, but not of a bomb."""
    total = 0
    for member in archive:
        total += member.size
        if total > _most(path):
            raise _bomb(path)
        yield member


def _check_size(path: Path, name: str, size: int) -> None:
    if size > LARGEST_FILE:
        raise BadInput(f"{path}: {name} has {size >> 20} MiB, too large for a picture.")
