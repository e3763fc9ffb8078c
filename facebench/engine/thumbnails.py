"""Pictures to be looked at beside each other: squares of one size, whatever they were."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import UInt8
from torch import Tensor

from facebench.features.extractor import ImageBatch
from facebench.sampler import Images

LARGEST = 512
"""Pixels a side: squares up to here are shown as they are."""
SIDE = 256
"""Pixels a side of what others are brought to, unless all of them are smaller."""
_WHITE = 255


def shown_side(sizes: Iterable[tuple[int, int]]) -> int:
    """Return the side of squares to show pictures of such heights and widths in.

    >>> shown_side([(64, 64)]), shown_side([(218, 178)]), shown_side([(64, 64), (1024, 768)])
    (64, 218, 256)
    """
    different = {*sizes}
    side = max(max(size) for size in different)
    if len(different) == 1 and different == {(side, side)} and side <= LARGEST:
        return side
    return min(side, SIDE)


def thumbnails(images: ImageBatch, side: int) -> UInt8[Tensor, "n 3 side side"]:
    """Return images of one size as squares of `side`, whole, with white where they are narrower."""
    height, width = images.shape[2:]
    if (height, width) == (side, side):
        return images
    scale = side / max(height, width)
    h, w = (max(1, round(scale * each)) for each in (height, width))
    resized = F.interpolate(images.float(), (h, w), mode="bilinear", antialias=True)
    top, left = (side - h) // 2, (side - w) // 2
    padding = (left, side - w - left, top, side - h - top)
    return F.pad(resized.round(), padding, value=_WHITE).clamp(0, _WHITE).byte()


def alike(pictures: Sequence[np.ndarray]) -> Images:
    """Return pictures, ``uint8`` (3, h, w) each, as one array to show."""
    side = shown_side(picture.shape[1:] for picture in pictures)
    there = (torch.from_numpy(np.array(picture))[None] for picture in pictures)
    return torch.cat([thumbnails(each, side) for each in there]).numpy()
