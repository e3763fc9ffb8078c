"""Pieces that are packed in groups: each group is unpacked once, into a file without a name.

Pictures are wanted in random order; without that each would cost the unpacking of its whole group.
"""

import os
import tempfile
import weakref
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from pathlib import Path
from threading import Lock

from facebench.data.archive import bomb, room_to_unpack


class Spool:
    """Pieces by their number; a group is unpacked when the first of its pieces is wanted."""

    def __init__(
        self,
        path: Path,
        counts: Sequence[int],
        unpack: Callable[[int], Iterable[bytes | None]],
        most: int,
    ):
        """Unpack nothing yet.

        Args:
            path: what the pieces are packed in, for messages.
            counts: how many pieces each group has.
            unpack: returns the pieces of a group; None is a piece that is missing.
            most: bytes that all may have.
        """
        self._path, self._unpack = path, unpack
        self._starts = [0, *accumulate(counts)]
        self._places: dict[int, list[tuple[int, int] | None]] = {}
        self._length, self._most = 0, most
        self._lock = Lock()
        with room_to_unpack(path):
            file = tempfile.TemporaryFile(buffering=0)
        self._file = file.fileno()
        weakref.finalize(self, file.close)

    def __getitem__(self, number: int) -> bytes | None:
        group = bisect_right(self._starts, number) - 1
        with self._lock:
            if group not in self._places:
                self._places[group] = [self._keep(piece) for piece in self._unpack(group)]
        place = self._places[group][number - self._starts[group]]
        return None if place is None else os.pread(self._file, place[1], place[0])

    def _keep(self, piece: bytes | None) -> tuple[int, int] | None:
        """Write a piece and return where it lies."""
        if piece is None:
            return None
        start, self._length = self._length, self._length + len(piece)
        if self._length > self._most:
            raise bomb(self._path, self._most)
        with room_to_unpack(self._path):
            left = memoryview(piece)
            while left:
                left = left[os.pwrite(self._file, left, self._length - len(left)) :]
        return start, len(piece)
