"""The row that does nothing: sources as they are, or enlarged by Pillow's bicubic filter."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from facebench.data.decode import to_array
from facebench.sampler import Images
from facebench.translator import Answers


class Bicubic:
    """Brings sources to the targets' size (Keys 1981, a = -1/2); those of that size it leaves.

    Where a picture is made smaller, the filter is as much wider: Pillow's antialiasing.
    """

    def __init__(self, size: tuple[int, int]):
        """Answer in `size`, height and width in pixels."""
        self.size = size

    def translate(self, sources: Images, seeds: Sequence[int]) -> Answers:
        """Return the sources in the targets' size; the seeds are left aside."""
        if sources.shape[2:] == self.size:
            return sources
        return np.stack([self._resized(source) for source in sources])

    def _resized(self, source: np.ndarray) -> np.ndarray:
        picture = Image.fromarray(np.ascontiguousarray(source.transpose(1, 2, 0)))
        return to_array(picture.resize(self.size[::-1], Image.Resampling.BICUBIC))
