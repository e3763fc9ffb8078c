"""Pictures in one array: a ``.npy``, which is memory-mapped, or the only array of a ``.npz``."""

import math
from pathlib import Path
from zipfile import ZipFile

import numpy as np
from jaxtyping import UInt8

from facebench.errors import BadInput
from facebench.files import ARRAY_DAMAGE

_LARGEST = 8 << 30
"""Bytes of an npz, which is held in memory; an npy is not."""


def is_array(path: Path) -> bool:
    """Say whether `path` is such a file, by its name."""
    return path.suffix.lower() in (".npy", ".npz") and path.is_file()


def open_array(path: Path, layout: str = "") -> UInt8[np.ndarray, "n 3 h w"]:
    """Return an array of pictures as it lies there, its channels brought first.

    Args:
        path: the file.
        layout: NCHW or NHWC; whichever of them has 3 channels by default.
    """
    array = load_array(path)
    if array.dtype != np.uint8 or array.ndim != 4 or 3 not in (array.shape[1], array.shape[3]):
        raise BadInput(
            f"{path} holds {array.dtype} of shape {array.shape}, where uint8 of shape "
            "(n, 3, h, w) or (n, h, w, 3) is needed: save it so, grey repeated three times."
        )
    if layout == "NHWC" or (not layout and array.shape[1] != 3):
        array = array.transpose(0, 3, 1, 2)
    return array


def load_array(path: Path) -> np.ndarray:
    """Return the array, of whatever numbers; never an empty one."""
    try:
        array = _load(path)
    except ARRAY_DAMAGE as error:
        raise BadInput(
            f"{path} is not a readable array of pictures ({error}): save it again with numpy.save."
        ) from error
    if not array.size:
        raise BadInput(f"{path} holds no pictures, its shape is {array.shape}: save some in it.")
    return array


def _load(path: Path) -> np.ndarray:
    if path.suffix.lower() == ".npy":
        return np.lib.format.open_memmap(path, mode="r")
    with ZipFile(path) as archive:
        members = archive.namelist()
        if len(members) != 1:
            names = sorted(member.removesuffix(".npy") for member in members)
            if {"mu", "sigma"} <= set(names):
                raise BadInput(
                    f"{path} holds statistics of features (mu, sigma) and no pictures, which are "
                    "needed: name the pictures that it was made of."
                )
            raise BadInput(
                f"{path} holds {len(members)} arrays ({', '.join(names[:5])}): save the pictures "
                "alone in one."
            )
        _check_claims(path, archive, members[0])
        with archive.open(members[0]) as stream:
            return np.lib.format.read_array(stream, allow_pickle=False)


def _check_claims(path: Path, archive: ZipFile, member: str) -> None:
    """Refuse an array before memory is taken for what its header and the archive only claim."""
    size = archive.getinfo(member).file_size
    if size > _LARGEST:
        raise BadInput(
            f"{path} unpacks to {size >> 30} GiB, too much to hold in memory: unzip it and name "
            "the .npy in it."
        )
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        shape, _, dtype = read[version](stream)
        if math.prod(shape) * dtype.itemsize > size:
            raise ValueError(f"its header claims the shape {shape}, more than there is")
