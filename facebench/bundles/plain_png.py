"""PNGs that hold pixels and nothing else: no text, no colour profile, nothing behind the end."""

import struct
import zlib
from collections.abc import Iterator

from facebench.data.decode import decode
from facebench.errors import BadInput
from facebench.text import shown

LARGEST = 64 * 512 * 512
"""Pixels: 64 pictures of 512 pixels a side."""
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_OF_PIXELS = (b"IHDR", b"PLTE", b"IDAT", b"IEND")


def pixels_alone(name: str, data: bytes) -> bytes:
    """Return a PNG without all that is no pixel, or raise :class:`BadInput` naming it `name`."""
    try:
        kept = [chunk for kind, chunk in _chunks(data) if kind in _OF_PIXELS]
    except (struct.error, ValueError) as error:
        raise BadInput(f"{shown(name)} is not a whole PNG: {error}.") from error
    return b"".join([_SIGNATURE, *kept])


def require_pixels_alone(name: str, data: bytes) -> None:
    """Refuse a PNG that is damaged, too large, or holds more than pixels."""
    if pixels_alone(name, data) != data:
        raise BadInput(f"{shown(name)} holds more than pixels.")
    width, height = struct.unpack_from(">LL", data, 16)
    if width * height > LARGEST:
        raise BadInput(f"{shown(name)} is of {width}×{height} pixels, more than {LARGEST:,}.")
    decode(shown(name), data)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kind and the bytes of each chunk up to the end."""
    if not data.startswith(_SIGNATURE):
        raise ValueError("it does not begin as one")
    place, kind = len(_SIGNATURE), b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">L4s", data, place)
        if (place == len(_SIGNATURE)) != (kind == b"IHDR"):
            raise ValueError("its header is not where it should be")
        chunk = data[place : place + length + 12]
        if len(chunk) < length + 12 or struct.pack(">L", zlib.crc32(chunk[4:-4])) != chunk[-4:]:
            raise ValueError("it is cut short or damaged")
        yield kind, chunk
        place += len(chunk)
