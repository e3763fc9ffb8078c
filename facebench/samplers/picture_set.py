"""Somebody's pictures, each at its own size, in a random order that stays.

Seed *i* is a picture. Which one depends on nothing but how many there are: the first seeds are a
random sample of all, whatever order their names are in.
"""

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from facebench.data.arrays import is_array, load_array, open_array
from facebench.data.decode import Unreadable, decode, glance, to_array
from facebench.data.pictures import Pictures, check_kind, open_pictures, random_order
from facebench.errors import BadInput
from facebench.files import file_digest
from facebench.samplers.pixels import Pixels
from facebench.text import shown

Size = tuple[int, int]
"""Height and width in pixels."""


@dataclass(frozen=True)
class Looks:
    """What a set of pictures is like before any is decoded."""

    sizes: Mapping[Size, int]
    """How many pictures there are of each size."""
    formats: Mapping[str, int]
    """And of each file format, by Pillow's name; none where the source is an array."""
    converted: int = 0
    """How many are turned by EXIF, or laid over white where they are transparent."""

    @property
    def side(self) -> int:
        """Height and width of all pictures; 0 where they are of several sizes or not square."""
        [(height, width), *others] = self.sizes
        return height if height == width and not others else 0


@dataclass(frozen=True, eq=False)
class PictureSet:
    """Pictures by their place in the source; ``len()`` tells how many there are."""

    path: Path
    count: int
    load: Callable[[int], np.ndarray]
    """Returns a picture, ``uint8`` (3, h, w); any thread may ask."""
    look: Callable[[], Looks]
    """Looks at all pictures, without decoding any."""
    digest: Callable[[], str]
    """Returns the sha256 of all that the pictures are made of."""
    left_out: tuple[str, ...] = ()
    """What else lies there."""
    labels: Sequence[str] | None = None
    """The class of each picture in the source's order, where it has any."""
    note: str = ""
    """Why the source's labels are left out, if they are."""

    def __len__(self) -> int:
        return self.count

    def picture(self, seed: int) -> np.ndarray:
        """Return picture number `seed`, ``uint8`` (3, h, w)."""
        return self.load(int(self._order[seed]))

    def labels_of(self, seeds: Sequence[int]) -> np.ndarray | None:
        """Return the class of each of these pictures, shape (n,); None where there are none."""
        if self.labels is None:
            return None
        return np.array([self.labels[int(self._order[seed])] for seed in seeds])

    @cached_property
    def looks(self) -> Looks:
        """Their sizes and formats."""
        return self.look()

    @cached_property
    def content(self) -> str:
        """The sha256 of what they are made of, read once."""
        return self.digest()

    @cached_property
    def _order(self) -> Int64[np.ndarray, " n"]:
        return random_order(self.count)


def open_picture_set(
    path: Path, range: str = "uint8", layout: str = "", labels: str = ""
) -> PictureSet:
    """Open whatever :func:`facebench.data.pictures.open_pictures` does.

    Args:
        path: the pictures.
        range: of an array's numbers, see :mod:`facebench.samplers.pixels`.
        layout: of an array, NCHW or NHWC; whichever of them has 3 channels by default.
        labels: where classes are from, see there; by default from files, as far as these can be
            used: a score that needs no classes goes on without them.
    """
    check_kind(path)
    if (range, layout) == ("uint8", ""):
        return _of_pictures(path, *_labelled(path, labels))
    if not is_array(path):
        raise BadInput(f"range and layout are for arrays, which {path} is not: leave them out.")
    if labels not in ("", "none"):
        raise BadInput(f"{path} has no labels={labels} beside range or layout: leave labels out.")
    if range == "uint8":
        array = open_array(path, layout)
        return _of_images(path, array, lambda: f"{file_digest(path)} uint8 {layout}")
    return _of_numbers(path, load_array(path), range, layout)


def _labelled(path: Path, labels: str) -> tuple[Pictures, str]:
    """Open pictures with labels, or without those that nobody asked for; and say why not."""
    try:
        return open_pictures(path, labels or "files"), ""
    except BadInput as error:
        why = str(error).replace("--labels none", f"images+labels=none:{path}")
        refusal = BadInput(why.replace("--labels ", "labels="))
        if labels:
            raise refusal from error
    try:
        return open_pictures(path, "none"), f"labels left out: {refusal}".rstrip(".")
    except BadInput:  # it was not for the labels
        raise refusal from None


def of_array(images: np.ndarray, name: str) -> PictureSet:
    """Return a set of the images of an array, ``uint8`` (n, 3, h, w)."""
    return _of_images(Path(name), images, lambda: sha256(images.tobytes()).hexdigest())


def _of_images(path: Path, array: np.ndarray, digest: Callable[[], str]) -> PictureSet:
    looks = Looks({array.shape[2:]: len(array)}, {})
    return PictureSet(path, len(array), lambda i: np.asarray(array[i]), lambda: looks, digest)


_PROBE = 16
"""Images whose range is checked when an array is opened."""


def _of_numbers(path: Path, array: np.ndarray, range: str, layout: str) -> PictureSet:
    """Open an array of other numbers than grey levels, by its stated range."""
    if array.ndim != 4:
        raise BadInput(
            f"{path} holds an array of shape {array.shape}, where images are (n, 3, h, w) or "
            "(n, h, w, 3): save it so."
        )
    pixels = Pixels(range, layout or ("NCHW" if array.shape[1] == 3 else "NHWC"))
    pixels.check(np.asarray(array[random_order(len(array))[:_PROBE]]))

    def load(index: int) -> np.ndarray:
        return pixels.images(np.asarray(array[index : index + 1]))[0]

    looks = Looks({load(0).shape[1:]: len(array)}, {})
    named = f"{range} {pixels.layout}"
    return PictureSet(path, len(array), load, lambda: looks, lambda: f"{file_digest(path)} {named}")


def _of_pictures(path: Path, pictures: Pictures, note: str) -> PictureSet:
    read, reading = pictures.read, threading.Lock()  # a tar is read by one thread at a time

    def content(index: int) -> bytes:
        assert read is not None, "only files are asked for their content"
        with reading:
            return read(index)

    def load(index: int) -> np.ndarray:
        if pictures.array is not None:
            return np.asarray(pictures.array[index])
        try:
            if read is None:
                with reading:
                    return to_array(pictures.load(index))
            return to_array(decode(shown(pictures.names[index]), content(index)))
        except Unreadable as error:
            what = str(error).rstrip(".")
            raise Unreadable(f"{path}: {what}: mend it, or take it out.") from error

    def look() -> Looks:
        if read is None:
            return Looks({load(0).shape[1:]: len(pictures.names)}, {})
        sizes, formats, converted = Counter[Size](), Counter[str](), 0
        for index, name in enumerate(pictures.names):
            seen = glance(f"{path}: {shown(name)}", content(index))
            sizes[seen.height, seen.width] += 1
            formats[seen.format] += 1
            converted += seen.is_converted
        return Looks(sizes, formats, converted)

    count, left_out = len(pictures.names), tuple(pictures.left_out)
    return PictureSet(path, count, load, look, pictures.digest, left_out, pictures.labels, note)
