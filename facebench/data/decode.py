"""From any picture file to 8-bit RGB, in one stated way.

- An EXIF orientation is applied; of an animation the first frame is taken.
- Grey is repeated in three channels; a palette is looked up; transparency is laid over white.
- CMYK, YCbCr, LAB and the like are converted by Pillow without a colour profile.
- 16-bit grey is divided by 257 and rounded; 16-bit colour comes from Pillow as its high byte.
- Floating-point and 32-bit pictures are refused: their range is nowhere stated.
"""

import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from facebench.errors import BadInput

_REFUSED = Image.DecompressionBombError, Warning
_LYING = 5  # EXIF orientations from here on exchange width and height
FORMATS = "AVIF BMP DIB GIF JPEG JPEG2000 MPO PNG PPM TGA TIFF WEBP".split()
"""Pixels all of them. Pillow knows others by their content, whatever the suffix: for EPS, a
program, it starts Ghostscript."""


class Unreadable(BadInput):
    """A picture that cannot be decoded; ``--skip-unreadable`` leaves such files out."""


def decode(name: str, data: bytes) -> Image.Image:
    """Return the picture in `data` as 8-bit RGB, or raise :class:`Unreadable` naming `name`."""
    with _refusing(name), Image.open(io.BytesIO(data), formats=_formats()) as image:
        image.load()
        return to_rgb(ImageOps.exif_transpose(image))


class Glance(NamedTuple):
    """What a picture's file says of itself: nothing is decoded."""

    format: str
    """By Pillow's name, e.g. "JPEG"."""
    width: int
    height: int
    is_converted: bool = False
    """Whether it is turned by EXIF, or laid over white for its transparency."""


def glance(name: str, data: bytes) -> Glance:
    """Return format and size of the picture in `data` as :func:`decode` would give it."""
    with _refusing(name), Image.open(io.BytesIO(data), formats=_formats()) as image:
        width, height = image.size
        turned = image.getexif().get(ExifTags.Base.Orientation, 1)
        if turned >= _LYING:
            width, height = height, width
        is_converted = turned != 1 or image.has_transparency_data
        return Glance(image.format or "", width, height, is_converted)


@contextmanager
def _refusing(name: str) -> Iterator[None]:
    """Raise :class:`Unreadable`, naming `name`, for whatever Pillow makes of a broken file."""
    try:
        with warnings.catch_warnings():
            # Pillow warns at 89 megapixels and refuses twice that: no face data set needs either.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    except UnidentifiedImageError as error:
        raise Unreadable(f"{name} is not a picture that Pillow can read.") from error
    except (OSError, ValueError, SyntaxError, EOFError, struct.error, *_REFUSED) as error:
        raise Unreadable(f"{name} cannot be decoded: {error}.") from error


@cache
def _formats() -> list[str]:
    """Return which of the formats this Pillow was built with."""
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


@cache
def suffixes() -> frozenset[str]:
    """Return what the names of such files end with, in lower case, by Pillow's own list."""
    Image.init()
    known = Image.registered_extensions().items()
    return frozenset(suffix for suffix, name in known if name in FORMATS)


def to_rgb(image: Image.Image) -> Image.Image:
    """Return `image` as 8-bit RGB in the way this module states.

    >>> to_rgb(Image.new("LA", (1, 1), (0, 0))).getpixel((0, 0))
    (255, 255, 255)
    """
    if image.mode.startswith("I;16"):
        grey = np.rint(np.asarray(image, dtype=np.float32) / 257).astype(np.uint8)
        return Image.fromarray(grey).convert("RGB")
    if image.mode in ("I", "F"):
        raise ValueError(f"its pixels are of Pillow mode {image.mode!r}, whose range is not stated")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def to_array(image: Image.Image) -> np.ndarray:
    """Return an RGB picture as ``uint8`` of shape (3, height, width)."""
    return np.asarray(image, dtype=np.uint8).transpose(2, 0, 1)
