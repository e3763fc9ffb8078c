"""The real images that a curve looks at: what a model learns from, never what it is judged by.

By a curve people decide when to stop and which weights to keep. Were it of the hold-out, the final
score would be of images that had a part in that.
"""

from hashlib import sha256
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from facebench.data.dataset import is_prepared, open_dataset
from facebench.data.decode import to_array
from facebench.data.pictures import open_pictures, random_order
from facebench.errors import BadInput
from facebench.sampler import Images, checked
from facebench.text import printable

FEWEST = 2


class TrackedImages(NamedTuple):
    """Some real images, and what they are."""

    images: Images
    of: str
    """Where they are from, for who reads the curve."""

    @property
    def digest(self) -> str:
        """The sha256 of their pixels."""
        return sha256(np.ascontiguousarray(self.images).data).hexdigest()


def tracked_images(reference: Any, num: int, fewer: bool) -> TrackedImages:
    """Return `num` images of `reference`: a random sample, the same every time.

    Args:
        reference: the folder of a prepared data set, of which only the training split is looked at;
            a folder, an archive or an array file of pictures of one size; or the images
            themselves, an array or a tensor ``uint8`` (n, 3, height, width).
        num: how many.
        fewer: whether to be content with all there are, if they are fewer.
    """
    is_path = isinstance(reference, str | PathLike)
    found = _of_path(Path(reference).expanduser(), num) if is_path else _of_array(reference, num)
    least = FEWEST if fewer else max(num, FEWEST)
    if (count := len(found.images)) < least:
        raise BadInput(
            f"{found.of[0].upper() + found.of[1:]} gives {count} images, where {least} are needed: "
            "add some, or give a smaller num."
        )
    return found


def _of_path(path: Path, num: int) -> TrackedImages:
    if is_prepared(path):
        dataset = open_dataset(path).split("train")
        images = dataset.sample(_chosen(len(dataset), num))
        return TrackedImages(images, f"the training split of {dataset.name}")
    pictures = open_pictures(path, "none")  # no curve is of classes
    loaded = [to_array(pictures.load(index)) for index in _chosen(len(pictures.names), num)]
    shapes = {image.shape[1:] for image in loaded}
    if len(shapes) > 1:
        (h, w), (other_h, other_w) = sorted(shapes)[:2]
        raise BadInput(
            f"{path} holds pictures of several sizes ({w}×{h}, {other_w}×{other_h}): bring them to "
            f"one with facebench data prepare {path} OUT, and name OUT."
        )
    return TrackedImages(np.stack(loaded), f"the pictures of {printable(path.resolve().name)}")


def _of_array(values: Any, num: int) -> TrackedImages:
    array = np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)
    if array.dtype != np.uint8 or array.ndim != 4 or array.shape[1] != 3:
        raise BadInput(
            f"The reference is {array.dtype} of shape {array.shape}, where images are uint8 of "
            "shape (n, 3, height, width): give these, or the folder of a data set."
        )
    images = checked(array[_chosen(len(array), num)], min(num, len(array)))
    return TrackedImages(images, "the array")


def _chosen(count: int, num: int) -> list[int]:
    return sorted(random_order(count)[:num].tolist())
