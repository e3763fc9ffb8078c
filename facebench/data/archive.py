"""Zips and tars: what they hold, read in any order; links, devices and bombs in them are not."""

import io
import lzma
import stat
import tarfile
import tempfile
import weakref
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

from facebench.errors import BadInput
from facebench.text import shown

LARGEST_FILE = 256 << 20
"""Bytes; a larger member of an archive is taken for a decompression bomb."""
_LARGEST_HEADER = 1 << 20  # bytes of what a tar says of its next member
LARGEST_RATIO = 50
"""Of an archive's content to its size: pictures are compressed already."""
_BLOCK = 4096  # bytes that a file takes at least, or millions of none would be small
_LINK = "a link, which is not followed in an archive"
DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError),
    *(EOFError, OSError, ValueError, RuntimeError, MemoryError),
)
"""What the readers of archives raise over broken ones."""


@dataclass(frozen=True)
class Members:
    """What a folder or an archive holds, and how to read a file of it."""

    names: tuple[str, ...]
    """Of files."""
    odd: tuple[tuple[str, str], ...]
    """Names of all else, and what it is."""
    read: Callable[[str], bytes]


def open_archive(path: Path, *, is_one_of_many: bool = False) -> Members:
    """Open the zip or tar at `path`, or raise :class:`BadInput`.

    One of many, which is a plain tar, is opened anew for each file, for only so many may be open.
    """
    if zipfile.is_zipfile(path):
        return _open_zip(path)
    try:
        tarfile.open(path, tarinfo=_Header).close()
    except tarfile.TarError as error:
        raise BadInput(
            f"{path} is not a folder, a zip or a tar of pictures, nor a .npy or .npz array of "
            "them: unpack another kind of archive, and name the folder that the pictures lie in."
        ) from error
    except DAMAGE as error:  # of its compression
        raise damaged(path, error) from error
    return _open_tar(path, is_one_of_many)


def check_size(path: Path, name: str, size: int) -> None:
    """Refuse a file that is too large for a picture."""
    if size > LARGEST_FILE:
        raise BadInput(
            f"{path}: {shown(name)} has {size >> 20} MiB, too large for a picture: take it out."
        )


def _open_zip(path: Path) -> Members:
    try:
        archive = zipfile.ZipFile(path)
    except DAMAGE as error:
        raise damaged(path, error) from error
    members = [member for member in archive.infolist() if not member.is_dir()]
    most = most_unpacked(path)
    if sum(member.file_size for member in members) > most:
        raise bomb(path, most)
    links = [(m.filename, _LINK) for m in members if stat.S_ISLNK(m.external_attr >> 16)]
    files = {m.filename: m for m in members if not stat.S_ISLNK(m.external_attr >> 16)}

    def read(name: str) -> bytes:
        check_size(path, name, files[name].file_size)
        try:
            return archive.read(name)
        except DAMAGE as error:
            raise BadInput(
                f"{path}: {shown(name)} cannot be unpacked ({shown(str(error))}): fetch it again, "
                "or unpack it by other means and name the folder."
            ) from error

    return Members(tuple(files), (*links, *_repeated(m.filename for m in members)), read)


def _repeated(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the names that a later member takes over, as it would when all is unpacked."""
    for name, count in Counter(names).items():
        if count > 1:
            yield name, f"{count - 1} times replaced by a later file of that name"


class _Header(tarfile.TarInfo):
    """A member's header, which is read at once whatever size it claims: a bomb is refused."""

    def _proc_member(self, archive: tarfile.TarFile) -> Any:
        if not self.isfile() and self.size > _LARGEST_HEADER:
            raise tarfile.HeaderError(f"a header of {self.size} bytes")
        return super()._proc_member(archive)  # type: ignore[misc]


def _open_tar(path: Path, is_one_of_many: bool) -> Members:
    """Open a tar; a compressed one is unpacked once, into a file without a name.

    Else each picture would be reached through all that come before it.
    """
    with ExitStack() as opened:
        try:
            stream = opened.enter_context(_unpacked(path) or path.open("rb"))
            archive = tarfile.open(fileobj=stream, mode="r:", tarinfo=_Header)
            members = list(_members(path, archive))
        except DAMAGE as error:
            raise damaged(path, error) from error
        files = {member.name: member for member in members if member.isfile()}
        read = partial(_read_member, path, archive, files)
        if is_one_of_many and isinstance(stream, io.BufferedReader):
            read = partial(_read_anew, path, _places(path, files))
        else:
            weakref.finalize(read, opened.pop_all().close)
    odd = [
        (m.name, _LINK if m.issym() or m.islnk() else "a pipe or a device")
        for m in members
        if not (m.isfile() or m.isdir())
    ]
    return Members(tuple(files), (*odd, *_repeated(m.name for m in members if m.isfile())), read)


def _read_member(
    path: Path, archive: tarfile.TarFile, files: dict[str, tarfile.TarInfo], name: str
) -> bytes:
    check_size(path, name, files[name].size)
    content = archive.extractfile(files[name])
    assert content is not None, "only regular files were listed"
    return content.read()


def _places(path: Path, files: dict[str, tarfile.TarInfo]) -> dict[str, tuple[int, int]]:
    """Return where the content of each file begins, and its length."""
    for name, member in files.items():
        if member.issparse():
            raise BadInput(f"{path}: {shown(name)} is sparse: pack it anew without --sparse.")
    return {name: (member.offset_data, member.size) for name, member in files.items()}


def _read_anew(path: Path, places: dict[str, tuple[int, int]], name: str) -> bytes:
    start, length = places[name]
    check_size(path, name, length)
    try:
        with path.open("rb") as stream:
            stream.seek(start)
            return stream.read(length)
    except OSError as error:
        raise damaged(path, error) from error


def _unpacked(path: Path) -> IO[bytes] | None:
    """Return what a compressed tar holds, read to the checksum it ends with; None for another."""
    with tarfile.open(path, tarinfo=_Header) as archive, ExitStack() as opened:
        packed: Any = archive.fileobj
        if isinstance(packed, io.BufferedReader):
            return None
        packed.seek(0)
        with room_to_unpack(path):
            plain, left = (
                opened.enter_context(tempfile.TemporaryFile(buffering=0)),
                most_unpacked(path),
            )
        while block := packed.read(1 << 20):
            left -= len(block)
            if left < 0:
                raise bomb(path, most_unpacked(path))
            with room_to_unpack(path):
                while block:
                    block = block[plain.write(block) :]
        plain.seek(0)
        opened.pop_all()
    return plain


@contextmanager
def room_to_unpack(path: Path) -> Iterator[None]:
    """Say in a sentence that there is no room for what `path` unpacks to."""
    place = "any folder for temporary files"
    try:
        place = tempfile.gettempdir()
        yield
    except OSError as error:
        raise BadInput(
            f"There is no room in {place} to unpack {path} ({error.strerror}): set TMPDIR to a "
            "folder that has some, or unpack it yourself and name the folder."
        ) from error


def _members(path: Path, archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield the members, but not of a bomb."""
    total, most = 0, most_unpacked(path)
    while (member := archive.next()) is not None:
        archive.members.clear()  # type: ignore[attr-defined]  # else it keeps them all
        total += max(member.size, _BLOCK)
        if total > most:
            raise bomb(path, most)
        yield member


def most_unpacked(*paths: Path) -> int:
    """Return how many bytes an archive, or the parts of one, may unpack to."""
    return LARGEST_FILE + LARGEST_RATIO * sum(path.stat().st_size for path in paths)


def bomb(path: Path, most: int) -> BadInput:
    """Return the refusal of what unpacks to more than `most` bytes."""
    return BadInput(
        f"{path} unpacks to more than {most >> 20} MiB, as no pictures do: if it is not a bomb, "
        "unpack it yourself and name the folder."
    )


def damaged(path: Path, error: BaseException) -> BadInput:
    """Return the refusal of an archive that its reader raised `error` over."""
    return BadInput(f"{path} is damaged ({shown(str(error))}): fetch it again, or pack it anew.")
