"""Contact sheets: many small images as one picture."""

import math

import numpy as np
from PIL import Image

from facebench.sampler import Images


def grid(images: Images, columns: int | None = None, gap: int = 0) -> Image.Image:
    """Return `images` row by row as one picture, as square as `columns` allows.

    `gap` is the width in pixels of the white lines between them.

    >>> grid(np.zeros((5, 3, 8, 8), np.uint8)).size
    (24, 16)
    >>> grid(np.zeros((5, 3, 8, 8), np.uint8), gap=2).size
    (28, 18)
    """
    count, channels, height, width = images.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    sheet = np.full((rows * columns, channels, height + gap, width + gap), 255, np.uint8)
    sheet[:count, :, :height, :width] = images
    sheet = sheet.reshape(rows, columns, channels, height + gap, width + gap)
    whole = sheet.transpose(0, 3, 1, 4, 2).reshape(
        rows * (height + gap), columns * (width + gap), channels
    )
    return Image.fromarray(np.ascontiguousarray(whole[: len(whole) - gap, : whole.shape[1] - gap]))
