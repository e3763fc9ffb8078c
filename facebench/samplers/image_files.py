"""The ``images:`` adapter: somebody's folder, zip, tar, npz or npy of pictures as a sampler.

Seed *i* is a picture at its own size; nothing is resized here. Which one depends on nothing
but how many there are: the first seeds are a random sample of all pictures, whatever order their
names are in.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from facebench.data.arrays import is_array, load_array, open_array
from facebench.data.decode import Unreadable, to_array
from facebench.data.pictures import check_kind, listed, open_pictures, random_order
from facebench.errors import BadInput
from facebench.sampler import Images
from facebench.samplers.pixels import Pixels


class ImageFilesSampler:
    """Pictures that somebody already has; ``len()`` tells how many there are."""

    files: tuple[Path, ...] = ()  # but the one that is named

    def __init__(self, path: Path, *, range: str = "uint8", layout: str = ""):
        """Open a folder, zip or tar of pictures, or an npz or npy array of them.

        What else lies among them is counted and named on standard error.

        Args:
            path: the pictures.
            range: of an array's numbers, see :mod:`facebench.samplers.pixels`.
            layout: of an array, NCHW or NHWC; whichever of them has 3 channels by default.
        """
        self.path = path
        check_kind(path)
        if is_array(path):
            count, self._read = _open_array(path, range, layout)
        elif (range, layout) == ("uint8", ""):
            count, self._read = _open_files(path)
        else:
            raise BadInput(f"range and layout are for arrays, which {path} is not: leave them out.")
        self._order = random_order(count)

    def __len__(self) -> int:
        return len(self._order)

    def sample(self, seeds: Sequence[int]) -> Images:
        """Return a picture for each of `seeds`; all must be of one size."""
        wrong = [seed for seed in seeds if not 0 <= seed < len(self)]
        if wrong:
            raise BadInput(
                f"{self.path} holds {len(self)} picture{'s' if len(self) > 1 else ''}, and seed "
                f"{wrong[0]} is beyond the last of them, {len(self) - 1}: ask for fewer "
                "(--num, --seed or --seeds), or give more pictures."
            )
        images = [self._read(int(self._order[seed])) for seed in seeds]
        sizes = sorted({image.shape[1:] for image in images})
        if len(sizes) > 1:
            listing = ", ".join(f"{width}×{height}" for height, width in sizes[:3])
            raise BadInput(
                f"{self.path} holds pictures of different sizes ({listing}): make them one size, "
                f"the reference's, with facebench data prepare {self.path} OUT --size PIXELS, and "
                "name images:OUT/images.npy."
            )
        return np.stack(images)


_PROBE = 16
"""Images whose range is checked when an array is opened."""

Reader = tuple[int, Callable[[int], np.ndarray]]
"""How many pictures there are, and how to read one as ``uint8`` (3, h, w)."""


def _open_files(path: Path) -> Reader:
    pictures = open_pictures(path)
    if pictures.left_out:
        sys.stderr.write(f"{path}: {listed(pictures.left_out)} left out\n")

    def read(index: int) -> np.ndarray:
        try:
            return to_array(pictures.load(index))
        except Unreadable as error:
            what = str(error).rstrip(".")
            raise Unreadable(f"{path}: {what}: mend it, or take it out.") from error

    return len(pictures.names), read


def _open_array(path: Path, range: str, layout: str) -> Reader:
    if range == "uint8":
        array = open_array(path, layout)
        return len(array), array.__getitem__
    return _open_numbers(path, load_array(path), range, layout)


def _open_numbers(path: Path, array: np.ndarray, range: str, layout: str) -> Reader:
    """Open an array of other numbers than grey levels, by its stated range."""
    if array.ndim != 4:
        raise BadInput(
            f"{path} holds an array of shape {array.shape}, where images are (n, 3, h, w) or "
            "(n, h, w, 3): save it so."
        )
    pixels = Pixels(range, layout or ("NCHW" if array.shape[1] == 3 else "NHWC"))
    pixels.check(np.asarray(array[random_order(len(array))[:_PROBE]]))
    return len(array), lambda index: pixels.images(np.asarray(array[index : index + 1]))[0]
