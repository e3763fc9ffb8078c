"""The ``images:`` adapter: somebody's folder, zip, tar, npz or npy of pictures as a sampler.

Seed *i* is picture *i* in the order of the names, at its own size; nothing is resized here.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from zipfile import ZipFile

import numpy as np

from facebench.data.decode import decode, to_array
from facebench.data.source import open_images
from facebench.errors import BadInput
from facebench.files import ARRAY_DAMAGE
from facebench.pixels import Pixels
from facebench.sampler import Images


class ImageFilesSampler:
    """Pictures that somebody already drew; ``len()`` tells how many there are."""

    files: tuple[Path, ...] = ()  # but the one that is named

    def __init__(self, path: Path, *, range: str = "uint8", layout: str = ""):
        """Open a folder, zip or tar of pictures, or an npz or npy array of them.

        Args:
            path: the pictures.
            range: of an array's numbers, see :mod:`facebench.pixels`.
            layout: of an array, NCHW or NHWC; whichever of them has 3 channels by default.
        """
        self.path = path
        if not path.exists():
            raise BadInput(f"There is no file or folder {path}.")
        if path.suffix in (".npy", ".npz"):
            self._count, self._read = _open_array(path, range, layout)
        elif (range, layout) == ("uint8", ""):
            self._count, self._read = _open_files(path)
        else:
            raise BadInput(f"range and layout are for arrays, and {path} is none: leave them out.")

    def __len__(self) -> int:
        return self._count

    def sample(self, seeds: Sequence[int]) -> Images:
        """Return pictures number `seeds`; all must be of one size."""
        beyond = max(seeds, default=-1)
        if beyond >= len(self) or min(seeds, default=0) < 0:
            raise BadInput(
                f"{self.path} holds {len(self)} pictures, and number {beyond + 1} was asked for: "
                f"give --num {len(self)} or fewer."
            )
        images = [self._read(seed) for seed in seeds]
        sizes = sorted({image.shape[1:] for image in images})
        if len(sizes) > 1:
            shown = ", ".join(f"{width}×{height}" for height, width in sizes[:3])
            raise BadInput(
                f"{self.path} holds pictures of different sizes ({shown}): "
                "make them one size with facebench data prepare."
            )
        return np.stack(images)


_PROBE = 16
"""Images whose range is looked at when an array is opened."""

Reader = tuple[int, Callable[[int], np.ndarray]]
"""How many pictures there are, and how to read one as ``uint8`` (3, h, w)."""


def _open_files(path: Path) -> Reader:
    files = open_images(path)

    def read(index: int) -> np.ndarray:
        name = files.names[index]
        return to_array(decode(f"{path}: {name}", files.read(name)))

    return len(files.names), read


def _open_array(path: Path, range: str, layout: str) -> Reader:
    array = _load_array(path)
    if range != "uint8":
        return _open_numbers(path, array, range, layout)
    if array.dtype != np.uint8 or array.ndim != 4 or 3 not in (array.shape[1], array.shape[3]):
        raise BadInput(
            f"{path} holds {array.dtype} of shape {array.shape}, "
            "where uint8 of shape (n, 3, h, w) or (n, h, w, 3) is needed."
        )
    if layout == "NHWC" or (not layout and array.shape[1] != 3):
        array = array.transpose(0, 3, 1, 2)
    return len(array), array.__getitem__


_LARGEST_ARRAY = 8 << 30
"""Bytes of an npz, which is held in memory; an npy is not."""


def _check_claims(path: Path, archive: ZipFile, member: str) -> None:
    """Refuse an array before memory is taken for what its header and the archive only claim."""
    size = archive.getinfo(member).file_size
    if size > _LARGEST_ARRAY:
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


def _open_numbers(path: Path, array: np.ndarray, range: str, layout: str) -> Reader:
    """Open an array of other numbers than grey levels, by its stated range."""
    if array.ndim != 4 or not len(array):
        raise BadInput(f"{path} holds an array of shape {array.shape}, which are no images.")
    pixels = Pixels(range, layout or ("NCHW" if array.shape[1] == 3 else "NHWC"))
    pixels.check(np.asarray(array[:_PROBE]))
    return len(array), lambda index: pixels.images(np.asarray(array[index : index + 1]))[0]


def _load_array(path: Path) -> np.ndarray:
    try:
        if path.suffix == ".npy":
            return np.lib.format.open_memmap(path, mode="r")
        with ZipFile(path) as archive:
            members = archive.namelist()
            if len(members) != 1:
                raise BadInput(f"{path} holds {len(members)} arrays: leave one, the pictures.")
            _check_claims(path, archive, members[0])
            with archive.open(members[0]) as stream:
                return np.lib.format.read_array(stream, allow_pickle=False)
    except ARRAY_DAMAGE as error:
        raise BadInput(f"{path} is not a readable array of pictures: {error}.") from error
