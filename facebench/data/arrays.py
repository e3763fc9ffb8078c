"""Pictures in one array: a ``.npy``, which is memory-mapped, or the one of a ``.npz``."""

import math
from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from facebench.data.decode import Unreadable
from facebench.data.npz import HEADERS, load_npz
from facebench.errors import BadInput
from facebench.files import ARRAY_DAMAGE
from facebench.text import shown

_MAGIC = b"\x93NUMPY"


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
    if array.dtype.kind in "fiu" and array.dtype != np.uint8 and array.ndim == 4:
        raise BadInput(
            f"{path} holds {array.dtype} of shape {array.shape}, where grey levels are uint8: save "
            f"it so, or say for a score what its numbers mean, images+range=tanh:{path} for [-1, "
            "1], sigmoid for [0, 1], or LOW..HIGH."
        )
    return channels_first(array, f"{path} holds", "save it so, grey repeated three times", layout)


def channels_first(
    array: np.ndarray, holds: str, way_out: str, layout: str = ""
) -> UInt8[np.ndarray, "n 3 h w"]:
    """Return pictures with their channels brought first, or raise BadInput.

    Args:
        array: the pictures.
        holds: how the sentence about what they are begins.
        way_out: and how it ends.
        layout: see :func:`open_array`.
    """
    axes = {"NCHW": 1, "NHWC": 3}
    shape = array.shape
    if array.dtype != np.uint8 or array.ndim != 4 or 3 not in (shape[1], shape[3]) or 0 in shape:
        raise BadInput(
            f"{holds} {array.dtype} of shape {shape}, where uint8 of shape (n, 3, h, w) or "
            f"(n, h, w, 3) is needed: {way_out}."
        )
    if layout and layout not in axes:
        raise BadInput(f"There is no layout={layout!r}; there are: {', '.join(axes)}.")
    axis = axes[layout] if layout else 1 if shape[1] == 3 else 3
    if shape[axis] != 3:
        other = next(name for name in axes if name != layout)
        raise BadInput(f"{holds} an array of shape {shape}, not {layout}: layout={other} fits.")
    return array if axis == 1 else array.transpose(0, 3, 1, 2)


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


def is_npy(path: Path) -> bool:
    """Say whether `path` is a ``.npy``, by its content."""
    with path.open("rb") as stream:
        return stream.read(len(_MAGIC)) == _MAGIC


def _load(path: Path) -> np.ndarray:
    if is_npy(path):
        return np.lib.format.open_memmap(path, mode="r")
    return load_npz(path)


def picture_of(name: str, data: bytes) -> Image.Image:
    """Return the picture in an encoded ``.npy``, uint8 of shape (3, h, w) or (h, w, 3)."""
    try:
        pixels = _small(data)
    except ARRAY_DAMAGE as error:
        raise Unreadable(f"{name} is not a readable array ({shown(str(error))}).") from error
    shape = pixels.shape
    if pixels.dtype != np.uint8 or len(shape) != 3 or 3 not in (shape[0], shape[2]) or 0 in shape:
        raise Unreadable(
            f"{name} holds {pixels.dtype} of shape {shape}, latents or other numbers, where a "
            "picture is uint8 of shape (3, h, w) or (h, w, 3)."
        )
    return Image.fromarray(pixels.transpose(1, 2, 0) if shape[0] == 3 else pixels)


def _small(data: bytes) -> np.ndarray:
    """Read an array, whose header may claim no more than there is."""
    stream = BytesIO(data)
    shape, _, dtype = HEADERS[np.lib.format.read_magic(stream)](stream)
    if dtype.hasobject or math.prod(shape) * dtype.itemsize > len(data):
        raise ValueError(f"its header claims {dtype} of shape {shape}")
    stream.seek(0)
    return np.lib.format.read_array(stream, allow_pickle=False)
