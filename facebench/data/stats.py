"""What is in a prepared data set, in numbers."""

from collections import Counter
from hashlib import sha256

import numpy as np

from facebench.data.dataset import Dataset

BLOCK = 1024


def describe(dataset: Dataset) -> dict[str, str]:
    """Return a table of what `dataset` holds, over all of its splits, from one pass over it."""
    whole = dataset.split("all")
    splits = {name: tuple(span) for name, span in whole.info["splits"].items()}
    mean, deviation, contrast = _colours(whole.images)
    keys = [sha256(image.tobytes()).digest() for image in whole.images]
    return {
        "images": f"{len(whole):,} of {whole.size}×{whole.size}",
        **{name: f"{last - first:,}" for name, (first, last) in splits.items()},
        "crop, filter": f"{whole.info['crop']}, {whole.info['filter']}",
        "mean R, G, B": _three(mean),
        "deviation R, G, B": _three(deviation),
        "grey images": f"{_grey(whole.images):,}",
        "contrast": f"{contrast:.1f} (mean deviation within an image)",
        "copies": f"{sum(Counter(keys).values()) - len(set(keys)):,}",
        "training images held out too": f"{_shared(keys, splits):,}",
        "digest": whole.digest,
    }


def _blocks(images: np.ndarray) -> list[slice]:
    return [slice(start, start + BLOCK) for start in range(0, len(images), BLOCK)]


def _colours(images: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Return mean and deviation of each channel, and the mean deviation within an image."""
    total, squares, contrast = np.zeros(3), np.zeros(3), 0.0
    for part in _blocks(images):
        block = images[part].astype(np.float32)
        total += block.sum((0, 2, 3), dtype=np.float64)
        squares += np.square(block).sum((0, 2, 3), dtype=np.float64)
        contrast += float(block.mean(1).std((1, 2)).sum(dtype=np.float64))
    count = images[:, 0].size
    mean = total / count
    return mean, np.sqrt(np.maximum(squares / count - mean**2, 0)), contrast / len(images)


def _grey(images: np.ndarray) -> int:
    """Return how many images have three equal channels."""
    blocks = (images[part] for part in _blocks(images))
    return sum(int((block == block[:, :1]).all((1, 2, 3)).sum()) for block in blocks)


def _shared(keys: list[bytes], splits: dict[str, tuple[int, ...]]) -> int:
    """Return how many training images are pixel for pixel in the holdout too."""
    train, holdout = (keys[slice(*splits.get(name, (0, 0)))] for name in ("train", "holdout"))
    held = set(holdout)
    return sum(key in held for key in train)


def _three(values: np.ndarray) -> str:
    return ", ".join(f"{value:.1f}" for value in values)
