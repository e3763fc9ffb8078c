"""What a sampler's process answers the engine: JSON, one header a line, then an array's bytes.

The other side of the pipe is somebody else's code, so every length is checked before it is used.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from typing import Any

import numpy as np

from facebench.translator import Asked

_LONGEST_HEADER = 1 << 20  # bytes
LARGEST_SIDE = 16384
"""Pixels of height or width, beyond which images are not believed."""


class ProtocolError(Exception):
    """What came is not a message of the protocol."""


def write_message(
    pipe: BufferedIOBase, header: dict[str, object], data: np.ndarray | None = None
) -> None:
    """Write one message and flush it."""
    pipe.write(json.dumps(header).encode() + b"\n")
    if data is not None:
        pipe.write(np.ascontiguousarray(data).data.cast("B"))
    pipe.flush()


def read_header(pipe: BufferedIOBase) -> dict[str, Any] | None:
    """Return the next message's header, or None where the other side has ended."""
    line = pipe.readline(_LONGEST_HEADER)
    if not line:
        return None
    if not line.endswith(b"\n"):
        raise ProtocolError("a header that is cut off, or of absurd length")
    try:
        header = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("a header that is not JSON") from error
    if not isinstance(header, dict) or not isinstance(header.get("kind"), str):
        raise ProtocolError("a header of no kind")
    return header


def read_images(pipe: BufferedIOBase, shape: Any, count: int) -> np.ndarray:
    """Return the images that follow a header, which says their `shape`."""
    match shape:
        case [int(n), 3, int(height), int(width)] if n == count:
            pass
        case _:
            raise ProtocolError(f"images of the shape {shape}")
    if not (0 < height <= LARGEST_SIDE and 0 < width <= LARGEST_SIDE):
        raise ProtocolError(f"images of the shape {shape}")
    images = np.empty((n, 3, height, width), np.uint8)
    if pipe.readinto(images.data.cast("B")) < images.nbytes:
        raise ProtocolError("images that were cut off")
    return images


@contextmanager
def handed_over(asked: Asked | None) -> Iterator[dict[str, Any]]:
    """Give what a process must be told of `asked`: the sources are an open file, in memory.

    Nothing where nothing is asked.
    """
    if asked is None:
        yield {}
        return
    file = os.memfd_create("facebench-sources")
    try:
        with open(file, "wb", closefd=False) as stream:
            np.save(stream, asked.sources)
        yield {"sources": file, "size": asked.size, "answers": asked.answers, "first": asked.first}
    finally:
        os.close(file)


def taken_over(told: dict[str, Any]) -> Asked:
    """Return, in the process, what it was told that it is asked."""
    path = f"/proc/self/fd/{told['sources']}"
    sources = np.load(path, mmap_mode="r", allow_pickle=False)
    os.close(told["sources"])
    height, width = told["size"]
    return Asked(sources, (height, width), told["answers"], told["first"])
