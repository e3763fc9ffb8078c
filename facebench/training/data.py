"""The images of a run: those that it learns, and those that its checkpoints are scored by.

The hold-out split is what evaluations compare with. A checkpoint chosen on it would have seen the
answers, so the score looks at a part of the training split that no step ever sees.
"""

from pathlib import Path

import numpy as np

from facebench.data.dataset import Dataset, open_dataset
from facebench.errors import BadInput
from facebench.training.learner import Rows, generator
from facebench.training.sliced_wasserstein import IMAGES

SHARE, FEWEST = 10, 2
_NO_STEP = 2**64 - 1  # no step takes its random numbers


def train_images(data: Path) -> Dataset:
    """Return the training split of the prepared data set at `data`."""
    dataset = open_dataset(data).by_content().split("train")
    if len(dataset) < 2:
        raise BadInput(f"{data} has {len(dataset)} training images; at least 2 are needed.")
    return dataset


def require_power_of_two(dataset: Dataset, network: str) -> None:
    """Refuse images whose size is not a power of two from 16, which strided networks need."""
    size = dataset.size
    if size < 16 or size & (size - 1):
        raise BadInput(
            f"{dataset.name} has images of {size}×{size} pixels, where the {network} needs a power "
            "of two from 16: prepare the data set at another --size."
        )


def held_back(images: int) -> int:
    """Return how many of so many training images are: a tenth, 256 at most.

    >>> held_back(8000), held_back(50), held_back(19)
    (256, 5, 0)
    """
    count = min(images // SHARE, IMAGES)
    return count if count >= FEWEST else 0  # too few to judge by are better learnt from


def hold_back(images: np.ndarray, seed: int) -> tuple[Rows, Rows]:
    """Return the images to learn, and those to score by, which no step sees.

    The choice depends on the seed and the number of images alone. Of fewer than 20 none are held
    back, and the score is of those that are learnt.
    """
    count = held_back(len(images))
    order = generator(seed, _NO_STEP).permutation(len(images))
    scored, learnt = np.sort(order[:count]), np.sort(order[count:])
    return Rows(images, learnt), Rows(images, scored if count else learnt)
