"""What is done to images for the validity table: six kinds of damage, five strengths each.

Strength 1 is the weakest that a person sees at 64 pixels, looking at a sheet of the changed faces
with the unchanged ones above them (docs/validity.webp is such a sheet); strength 5 is gross.
"""

import io
from collections.abc import Callable

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from scipy.ndimage import gaussian_filter

Pictures = UInt8[np.ndarray, "n 3 h w"]

STRENGTHS: dict[str, tuple[float, ...]] = {
    "blur": (0.5, 0.7, 1.0, 1.5, 2.5),
    "noise": (12, 18, 27, 40, 60),
    "jpeg": (60, 40, 25, 15, 8),
    "ghosting": (0.15, 0.2, 0.3, 0.4, 0.5),
    "colour cast": (10, 15, 22, 32, 48),
    "shifted crop": (2, 3, 4, 6, 8),
}
"""By kind of damage, its strengths: standard deviation in pixels; in bytes; quality; share of
another face; bytes added to red and taken from blue; pixels to the right and down."""
UNITS = {
    "blur": "{:g} px",
    "noise": "{:g} of 255",
    "jpeg": "quality {:g}",
    "ghosting": "{:.0%} of another face",
    "colour cast": "{:g} of 255 from blue to red",
    "shifted crop": "by {:g} px",
}


def changed(kind: str, strength: int, images: Pictures, seed: int) -> Pictures:
    """Return `images` damaged in one way.

    Args:
        kind: one of STRENGTHS.
        strength: 1 to 5.
        images: of which ghosting mixes each with the next, and the last with the first.
        seed: of the noise.
    """
    return _CHANGES[kind](images, STRENGTHS[kind][strength - 1], seed)


def jpeg(images: Pictures, quality: float, seed: int = 0) -> Pictures:
    """Return the images after JPEG of a `quality`, with Pillow's usual subsampling of colour."""
    return np.stack([_through_jpeg(image, int(quality)) for image in images])


def mirrored(images: Pictures) -> Pictures:
    """Return the images with left and right exchanged."""
    return np.ascontiguousarray(images[..., ::-1])


def negative(images: Pictures) -> Pictures:
    """Return the images' negatives: outliers that differ among themselves as faces do."""
    return 255 - images


def _through_jpeg(image: UInt8[np.ndarray, "3 h w"], quality: int) -> UInt8[np.ndarray, "3 h w"]:
    file = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0)).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file)).transpose(2, 0, 1)


def _blur(images: Pictures, sigma: float, seed: int) -> Pictures:
    return _bytes(gaussian_filter(images.astype(np.float32), (0, 0, sigma, sigma), mode="nearest"))


def _noise(images: Pictures, sigma: float, seed: int) -> Pictures:
    rng = np.random.default_rng(seed)
    return _bytes(images + sigma * rng.standard_normal(images.shape, np.float32))


def _ghosting(images: Pictures, share: float, seed: int) -> Pictures:
    return _bytes((1 - share) * images.astype(np.float32) + share * np.roll(images, -1, axis=0))


def _colour_cast(images: Pictures, amount: float, seed: int) -> Pictures:
    cast = np.array([amount, 0, -amount], np.float32)[:, None, None]
    return _bytes(images + cast)


def _shifted_crop(images: Pictures, pixels: float, seed: int) -> Pictures:
    """Move the picture to the right and down; what comes in is the border, mirrored."""
    p, (h, w) = int(pixels), images.shape[2:]
    return np.pad(images, ((0, 0), (0, 0), (p, 0), (p, 0)), mode="reflect")[..., :h, :w]


def _bytes(values: np.ndarray) -> Pictures:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


_CHANGES: dict[str, Callable[[Pictures, float, int], Pictures]] = {
    "blur": _blur,
    "noise": _noise,
    "jpeg": jpeg,
    "ghosting": _ghosting,
    "colour cast": _colour_cast,
    "shifted crop": _shifted_crop,
}
