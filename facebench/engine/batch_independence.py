"""Does an image depend on its seed alone? A few are drawn twice, in batches of other seeds."""

from collections.abc import Sequence

import numpy as np

from facebench.errors import RowFailed
from facebench.sampler import Images
from facebench.testing import TOLERANCE

ROUNDING = 2.0
"""Grey levels, root mean square over an image: half precision rounds by less, another face is more.
"""
_WITNESSES = 6


def apart(seeds: Sequence[int]) -> list[list[int]]:
    """Return some of `seeds`, spread over all of them, in small batches in another order.

    >>> apart(range(101)), apart([7, 8])
    ([[100, 40], [80, 20, 60], [0]], [[8], [7]])
    """
    places = np.linspace(0, len(seeds) - 1, _WITNESSES).astype(int).tolist()
    a, b, c, d, e, f = (seeds[place] for place in places)
    batches = ([f, c], [e, b, d], [a]) if len(seeds) > 2 else ([f], [a])
    return [list(dict.fromkeys(batch)) for batch in batches]


class Witnesses:
    """Images by seed, which are compared with those that are scored."""

    def __init__(self) -> None:
        self._images: dict[int, np.ndarray] = {}
        self._largest = 0

    def __bool__(self) -> bool:
        return bool(self._images)

    def keep(self, seeds: Sequence[int], images: Images) -> None:
        """Remember images that were drawn apart."""
        self._images.update(zip(seeds, images, strict=True))

    def compare(self, seeds: Sequence[int], images: Images) -> None:
        """Raise RowFailed if an image is not the one that was drawn apart."""
        for seed, image in zip(seeds, images, strict=True):
            if seed in self._images:
                self._judge(seed, image, self._images[seed])

    @property
    def note(self) -> str:
        """What to say of images that differ by rounding, if any do."""
        if self._largest <= TOLERANCE:
            return ""
        return f"an image differs by up to {self._largest} grey levels from batch to batch"

    def _judge(self, seed: int, image: np.ndarray, before: np.ndarray) -> None:
        if image.shape != before.shape:
            raise RowFailed(f"the image of seed {seed} has another size in another batch")
        distance = np.abs(image.astype(np.int16) - before)
        if np.sqrt(np.square(distance, dtype=np.float64).mean()) > ROUNDING:
            raise RowFailed(
                f"the image of seed {seed} changes with the batch that it is drawn in, by up to "
                f"{distance.max()} grey levels, and so would its score: "
                "each image must depend on its own seed alone (a network set to evaluation, a "
                "random generator per seed), see facebench check; or draw the images yourself and "
                "score them as images:FOLDER"
            )
        self._largest = max(self._largest, int(distance.max()))
