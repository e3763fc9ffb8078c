"""Contact sheets: many small images as one picture."""

import math

import numpy as np
from PIL import Image

from facebench.sampler import Images


def grid(images: Images, columns: int | None = None) -> Image.Image:
    """Return `images` row by row as one picture, as square as `columns` allows.

    >>> grid(np.zeros((5, 3, 8, 8), np.uint8)).size
    (24, 16)
    """
    count, channels, height, width = images.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    sheet = np.full((rows * columns, channels, height, width), 255, np.uint8)
    sheet[:count] = images
    sheet = sheet.reshape(rows, columns, channels, height, width)
    return Image.fromarray(
        sheet.transpose(0, 3, 1, 4, 2).reshape(rows * height, columns * width, channels)
    )
