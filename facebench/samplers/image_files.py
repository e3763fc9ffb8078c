"""The ``images:`` adapter: somebody's pictures, in any form that is read, as a sampler.

An evaluation takes the pictures without it, whatever their sizes: see
:class:`facebench.engine.stored_images.PictureSource`.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facebench.data.pictures import listed
from facebench.errors import BadInput
from facebench.sampler import Images
from facebench.samplers.picture_set import open_picture_set


class ImageFilesSampler:
    """Pictures that somebody already has; ``len()`` tells how many there are."""

    files: tuple[Path, ...] = ()  # but the one that is named

    def __init__(self, path: Path, *, range: str = "uint8", layout: str = "", labels: str = ""):
        """Open whatever :func:`facebench.data.pictures.open_pictures` does.

        What else lies among them is counted and named on standard error, and what is amiss with
        their labels, which are then left out.

        Args:
            path: the pictures.
            range: of an array's numbers, see :mod:`facebench.samplers.pixels`.
            layout: of an array, NCHW or NHWC; whichever of them has 3 channels by default.
            labels: "files" for the classes that files say, "folders" for class folders, or "none";
                by default what files say, as far as it can be used.
        """
        self.path = path
        self.pictures = open_picture_set(path, range, layout, labels)
        if left_out := self.pictures.left_out:
            sys.stderr.write(f"{path}: {listed(left_out)} left out\n")
        if note := self.pictures.note:
            sys.stderr.write(f"{note}\n")

    def __len__(self) -> int:
        return len(self.pictures)

    def sample(self, seeds: Sequence[int]) -> Images:
        """Return a picture for each of `seeds`; all must be of one size."""
        check_seeds(self.path, len(self), seeds)
        images = [self.pictures.picture(seed) for seed in seeds]
        sizes = sorted({image.shape[1:] for image in images})
        if len(sizes) > 1:
            listing = ", ".join(f"{width}×{height}" for height, width in sizes[:3])
            raise BadInput(
                f"{self.path} holds pictures of different sizes ({listing}): make them one size "
                f"with facebench data prepare {self.path} OUT --size PIXELS, and name "
                "images:OUT/images.npy."
            )
        return np.stack(images)


def check_seeds(path: Path, count: int, seeds: Sequence[int]) -> None:
    """Refuse seeds for which a set of `count` pictures has none."""
    wrong = [seed for seed in seeds if not 0 <= seed < count]
    if wrong:
        raise BadInput(
            f"{path} holds {count} picture{'s' if count > 1 else ''}, and seed {wrong[0]} is "
            f"beyond the last of them, {count - 1}: ask for fewer (--num, --seed or --seeds), or "
            "give more pictures."
        )
