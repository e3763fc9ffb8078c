"""A zip whose bytes follow from its files: stored, sorted, undated, with nothing in between.

So the same files are the same bytes on every machine, and a file that is not such bytes is refused:
what compresses, encrypts, links, overlaps or hides something is no such zip. Each of them has a
sentence of its own; what is left over ends at the comparison with the bytes that should be there.
"""

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from facebench.data.archive import DAMAGE, damaged
from facebench.errors import BadInput
from facebench.text import shown

LARGEST = 256 << 20
"""Bytes of a zip."""
LARGEST_FILE = 32 << 20
"""Bytes of one of its files."""
MOST = 1001
"""Files."""

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_VERSION = 20  # of the format: 2.0
_UTF8 = 0x800  # the flag that says how names are encoded
_ENCRYPTED = 0x41  # the flags of both kinds
_MIDNIGHT = (0, 0x21)  # 1980-01-01, the first date that a zip can tell
_LARGEST_LIST = MOST << 10  # bytes of names, and what is said of each
_LOCATOR = b"PK\x06\x07"  # of what a zip of more than 4 GiB ends with


def pack(files: Mapping[str, bytes]) -> bytes:
    """Return the one zip of these files."""
    parts, central, start = [], b"", 0
    for name, content in sorted(files.items()):
        written = name.encode()
        same = (_UTF8, 0, *_MIDNIGHT, zlib.crc32(content), len(content), len(content))
        parts += [_LOCAL.pack(b"PK\3\4", _VERSION, *same, len(written), 0), written, content]
        told = (_VERSION, _VERSION, *same, len(written), 0, 0, 0, 0, 0, start)
        central += _CENTRAL.pack(b"PK\1\2", *told) + written
        start += _LOCAL.size + len(written) + len(content)
    end = _END.pack(b"PK\5\6", 0, 0, len(files), len(files), len(central), start, 0)
    return b"".join([*parts, central, end])


def unpack(path: Path, is_known: Callable[[str], bool]) -> dict[str, bytes]:
    """Return the files of a zip that `pack` made, by their names.

    Args:
        path: of the zip.
        is_known: says of a name whether such a file belongs there.

    Raises:
        BadInput: for any other zip, and what is none.
    """
    data = _whole(path)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            for fault in _faults(members, len(data), is_known):
                raise BadInput(f"{path} is refused: {fault}. {_WAY_OUT}")
            files = {member.filename: archive.read(member) for member in members}
    except (*DAMAGE, struct.error) as error:
        raise damaged(path, error) from error
    if pack(files) != data:
        raise BadInput(f"{path} is refused: it holds more than its files. {_WAY_OUT}")
    return files


_WAY_OUT = "Ask for one as facebench bundle writes it."


def _whole(path: Path) -> bytes:
    """Return the bytes of a zip that is neither too large nor too full to be looked at."""
    if not path.is_file():
        raise BadInput(f"There is no file {path}: make one with facebench bundle.")
    if (size := path.stat().st_size) > LARGEST:
        raise BadInput(
            f"{path} has {size >> 20} MiB, and a bundle {LARGEST >> 20} MiB at most: ask for fewer "
            "models in one, or for one with --no-pictures."
        )
    data = path.read_bytes()
    for fault in _faults_of_end(data):
        raise BadInput(f"{path} is refused: {fault}. {_WAY_OUT}")
    return data


def _faults_of_end(data: bytes) -> Iterator[str]:
    """Yield what is wrong with the list's own end, before a list of millions is read."""
    end = data[-_END.size :]
    if len(end) < _END.size or end[:4] != b"PK\5\6" or end[-2:] != b"\0\0":
        yield "it does not end as a zip does, so it is none, was cut short or has something behind"
    elif data[-_END.size - 20 :][:4] == _LOCATOR:
        yield "it is a zip of the kind for more than 4 GiB"
    elif (number := _END.unpack(end)[4]) > MOST or _END.unpack(end)[5] > _LARGEST_LIST:
        yield f"it lists {number:,} files or more, where {MOST:,} are the most"


def _faults(
    members: list[zipfile.ZipInfo], size: int, is_known: Callable[[str], bool]
) -> Iterator[str]:
    """Yield what is wrong with the files that a zip of `size` bytes lists."""
    there = set[str]()
    for member in members:
        for fault in _faults_of(member, is_known):
            yield f"{shown(member.orig_filename)!r} {fault}"
        if member.filename.casefold() in there:
            yield f"{shown(member.filename)!r} is there twice"
        there.add(member.filename.casefold())
    if (total := sum(member.file_size for member in members)) > size:
        yield f"it says that it unpacks to {total:,} bytes, and has {size:,}"


def _faults_of(member: zipfile.ZipInfo, is_known: Callable[[str], bool]) -> Iterator[str]:
    name = member.orig_filename  # as it stands there, NUL and all
    if member.flag_bits & _ENCRYPTED:
        yield "is encrypted"
    if stat.S_ISLNK(member.external_attr >> 16):
        yield "is a link"
    if name.startswith("/") or "\\" in name or ".." in name.split("/") or name[1:2] == ":":
        yield "would lie outside of it"
    if not name.isascii() and not member.flag_bits & _UTF8:
        yield "has a name that is not UTF-8"
    if not is_known(name):
        yield "has no place in a bundle"
    if member.compress_type != zipfile.ZIP_STORED:
        yield "is compressed"
    if member.file_size > LARGEST_FILE:
        yield f"has {member.file_size >> 20} MiB, where {LARGEST_FILE >> 20} are the most"
