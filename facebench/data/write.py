"""A prepared data set, written whole or not at all."""

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from facebench.data.dataset import FORMAT, Dataset, open_dataset
from facebench.errors import BadInput
from facebench.files import atomic_folder, file_digest, write_json

BY_NAME = "names"
"""The order of a data set that is not in a random one."""
_OPTIONAL = ("identities_source", "attributes_source", "holdout_by", "holdout_asked")
"""What a recipe without them must not have."""


def write_dataset(
    out: Path,
    recipe: dict[str, Any],
    held: Callable[[int], int],
    images: Iterable[np.ndarray],
    at_most: int,
    finish: Callable[[Path], dict[str, Any]],
) -> Dataset:
    """Write a data set whole or not at all; one already made by the same recipe is kept.

    Args:
        out: the folder to make.
        recipe: how it is made, which goes into ``dataset.json``.
        held: returns how many of so many images, the last ones, are held out, or refuses it.
        images: ``uint8`` (3, size, size), one by one.
        at_most: how many images these can be.
        finish: writes what lies beside the images; returns what ``dataset.json`` says of it.
    """
    held(at_most)  # refused now rather than after an hour
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        return _existing(out, recipe, held)
    size = recipe["size"]
    with _room_for(out, at_most, size), atomic_folder(out) as folder:
        count = _write_images(folder / "images.npy", images, at_most, size)
        last = count - held(count)
        info = {
            "format": FORMAT,
            "count": count,
            "splits": {"train": [0, last], "holdout": [last, count]},
            "digest": file_digest(folder / "images.npy"),
            "holdout": count - last,
        }
        write_json(folder / "dataset.json", info | recipe | finish(folder))
    return open_dataset(out)


def _existing(out: Path, recipe: dict[str, Any], held: Callable[[int], int]) -> Dataset:
    if out.is_dir() and (out / "dataset.json").is_file():
        dataset = open_dataset(out)
        there = {"order": BY_NAME} | dataset.info  # as it was before there was another
        wanted = dict.fromkeys(_OPTIONAL) | recipe
        if "holdout_by" not in recipe:
            wanted["holdout"] = held(len(dataset))
        if all(there.get(key) == value for key, value in wanted.items()):
            dataset.verify()
            return dataset
    raise BadInput(f"{out} exists and was made otherwise: name another folder, or remove it.")


@contextmanager
def _room_for(out: Path, count: int, size: int) -> Iterator[None]:
    """Say in a sentence that the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise BadInput(
            f"{out} cannot be written ({error.strerror}): make room for {count} images of "
            f"{size}×{size}, {-(-count * 3 * size * size >> 20)} MiB, or name a folder elsewhere."
        ) from error


def _write_images(path: Path, images: Iterable[np.ndarray], at_most: int, size: int) -> int:
    """Write images straight to disk, for a data set may be larger than memory; return how many."""
    with path.open("wb") as stream:
        _write_header(stream, at_most, size)
        _reserve(stream, stream.tell() + at_most * 3 * size * size)
        count = 0
        for image in images:
            stream.write(np.ascontiguousarray(image).data)
            count += 1
        stream.truncate()
        stream.seek(0)
        _write_header(stream, count, size)  # of equal length: NumPy leaves room for the number
    return count


def _write_header(stream: IO[bytes], count: int, size: int) -> None:
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, 3, size, size)}
    np.lib.format.write_array_header_1_0(stream, header)


def _reserve(stream: IO[bytes], length: int) -> None:
    """Take the room now: a full disk is told at once, not after an hour."""
    stream.flush()
    try:
        os.posix_fallocate(stream.fileno(), 0, length)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):  # not every file system can
            raise
