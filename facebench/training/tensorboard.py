"""TensorBoard's event files, written without TensorBoard.

The format is a sequence of TFRecords, each a protocol buffer ``Event``; both have been the same
since 2015. ``tests/test_training_tensorboard.py`` reads them with TensorBoard's own reader.
"""

import io
import os
import struct
import time
from pathlib import Path

import numpy as np
from PIL import Image

# Field numbers of event.proto and summary.proto.
_WALL_TIME, _STEP, _VERSION, _SUMMARY, _SESSION = 1, 2, 3, 5, 7
_VALUE, _TAG, _SIMPLE_VALUE, _IMAGE = 1, 1, 2, 4
_HEIGHT, _WIDTH, _COLORSPACE, _ENCODED = 1, 2, 3, 4
_RGB, _SESSION_START = 3, 1
_VARINT, _DOUBLE, _BYTES, _FLOAT = 0, 1, 2, 5


class Events:
    """An event file that is appended to, in `folder`.

    A run that goes on after `step` begins a new file; TensorBoard drops what earlier files say of
    later steps.
    """

    def __init__(self, folder: Path, step: int = 0):
        name = f"events.out.tfevents.{time.time():.6f}.{os.getpid()}"
        self._stream = (folder / name).open("ab")
        self._write(_field(_VERSION, _BYTES, b"brain.Event:2"))
        if step:
            session = _field(_SESSION, _BYTES, _field(1, _VARINT, _SESSION_START))
            self._write(_field(_STEP, _VARINT, step + 1) + session)

    def scalars(self, step: int, **values: int | float) -> None:
        """Write one value per tag."""
        self._summary(
            step,
            *(
                _field(_TAG, _BYTES, tag.encode()) + _field(_SIMPLE_VALUE, _FLOAT, value)
                for tag, value in values.items()
            ),
        )

    def image(self, step: int, tag: str, picture: Image.Image) -> None:
        """Write an RGB picture."""
        encoded = io.BytesIO()
        picture.save(encoded, "PNG")
        image = (
            _field(_HEIGHT, _VARINT, picture.height)
            + _field(_WIDTH, _VARINT, picture.width)
            + _field(_COLORSPACE, _VARINT, _RGB)
            + _field(_ENCODED, _BYTES, encoded.getvalue())
        )
        self._summary(step, _field(_TAG, _BYTES, tag.encode()) + _field(_IMAGE, _BYTES, image))

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def _summary(self, step: int, *values: bytes) -> None:
        summary = b"".join(_field(_VALUE, _BYTES, value) for value in values)
        self._write(_field(_STEP, _VARINT, step) + _field(_SUMMARY, _BYTES, summary))

    def _write(self, event: bytes) -> None:
        event = _field(_WALL_TIME, _DOUBLE, time.time()) + event
        length = struct.pack("<Q", len(event))
        self._stream.write(length + _checksum(length) + event + _checksum(event))
        self._stream.flush()


def _field(number: int, kind: int, value: int | float | bytes) -> bytes:
    """Return one protocol buffer field: its key, then the value in its wire type."""
    key = _varint(number << 3 | kind)
    if isinstance(value, bytes):
        return key + _varint(len(value)) + value
    if kind == _VARINT:
        return key + _varint(int(value))
    return key + struct.pack("<d" if kind == _DOUBLE else "<f", value)


def _varint(value: int) -> bytes:
    """Return seven bits a byte, the lowest first.

    >>> _varint(300)
    b'\\xac\\x02'
    """
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _crc_table() -> list[int]:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):  # Castagnoli's polynomial, reflected
        table = np.where(table & 1, table >> 1 ^ 0x82F63B78, table >> 1)
    return [int(entry) for entry in table]


_TABLE = _crc_table()


def _checksum(data: bytes) -> bytes:
    """Return TFRecord's masked CRC-32C.

    >>> _checksum(b"123456789").hex()  # whose CRC-32C is e3069283
    'e5b08ac7'
    """
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    return struct.pack("<I", masked)
