"""What is in a prepared data set, in numbers."""

from collections.abc import Iterator
from hashlib import sha256

import numpy as np
from jaxtyping import Float, UInt8

from facebench.data.dataset import Dataset
from facebench.text import shown

_BLOCK = 1024 * 64 * 64  # pixels of images that are looked at together
NOISE = 0.01
"""The p-value from which train and hold-out are said to differ: once in a hundred by chance."""
_CELLS = 4  # of a thumbnail, each way
_COMPONENTS = 10  # of thumbnails and contrast, which carry most of their variance
_PERMUTATIONS = 999
_CLASSES = 5  # whose counts are told, besides the smallest one's
_ATTRIBUTES = 8  # whose shares are told
_MET = "held-out images of people in training"


def describe(dataset: Dataset) -> dict[str, str]:
    """Return a table of what `dataset` holds, over all of its splits."""
    whole = dataset.split("all")
    splits = {name: tuple(span) for name, span in whole.info["splits"].items()}
    mean, deviation, contrast, grey = _colours(whole.images)
    keys = [sha256(image.tobytes()).digest() for image in whole.images]
    return {
        "images": f"{len(whole):,} of {whole.size}×{whole.size}",
        **{name: f"{last - first:,}" for name, (first, last) in splits.items()},
        "crop, filter": f"{whole.info['crop']}, {whole.info['filter']}",
        "mean R, G, B": _three(mean),
        "deviation R, G, B": _three(deviation),
        "grey images": f"{grey:,}",
        "contrast": f"{contrast:.1f} (mean deviation within an image)",
        "copies": f"{len(keys) - len(set(keys)):,}",
        "training images held out too": f"{_shared(keys, splits):,}",
        **_classes(whole),
        **_people(whole),
        **_attributes(whole),
        "digest": whole.digest,
    }


def _classes(dataset: Dataset) -> dict[str, str]:
    """Return how many images the classes have, the largest first, where there are any."""
    if dataset.labels is None:
        return {}
    counts = np.bincount(dataset.labels, minlength=len(dataset.classes))
    largest = np.argsort(-counts, kind="stable")[:_CLASSES]
    listed = ", ".join(f"{shown(dataset.classes[i])} {counts[i]:,}" for i in largest)
    others = f", … {shown(dataset.classes[np.argmin(counts)])} {counts.min():,}"
    return {"classes": f"{len(counts):,}: {listed}{others if len(counts) > _CLASSES else ''}"}


def _people(dataset: Dataset) -> dict[str, str]:
    """Return how many people are shown how often, where that is known."""
    if dataset.people is None:
        return {}
    _, counts = np.unique(dataset.people, return_counts=True)
    mean, met, held = counts.mean(), seen_in_training(dataset), len(dataset.split("holdout"))
    images = f"{counts.min():,} to {counts.max():,} images each, {mean:.1f} on average"
    if counts.max() == 1:
        images = "1 image each"
    return {
        "people": f"{len(counts):,}: {images}",
        _MET: f"{met:,} of {held:,}",
    }


def seen_in_training(dataset: Dataset) -> int:
    """Return how many images held out show someone who is also among the training images."""
    train, holdout = (dataset.split(part).people for part in ("train", "holdout"))
    return 0 if train is None or holdout is None else int(np.isin(holdout, train).sum())


def _attributes(dataset: Dataset) -> dict[str, str]:
    """Return in which share of images the first attributes are, where there are any."""
    if not dataset.attributes:
        return {}
    first = list(dataset.attributes.items())[:_ATTRIBUTES]
    told = ", ".join(f"{shown(name)} {_share(values)}" for name, values in first)
    more = ", …" if len(dataset.attributes) > _ATTRIBUTES else ""
    return {"attributes": f"{len(dataset.attributes):,}: {told}{more}"}


def _share(values: np.ndarray) -> str:
    known = values[values >= 0]
    return f"{known.mean():.0%}" if len(known) else "unknown"


def sentences_on_people(dataset: Dataset) -> list[str]:
    """Return what a data set says of the people that it shows, for who has just prepared it."""
    whole = dataset.split("all")
    rows = _people(whole) | _attributes(whole)
    if "people" not in rows:
        return [f"{name} {value}" for name, value in rows.items()]
    met, held = seen_in_training(whole), len(whole.split("holdout"))
    seen = f"{met:,} of the {held:,} held out show someone who is also among those to train on"
    if met:
        seen += " (--holdout-by person keeps people apart)"
    return [f"{name} {value}" for name, value in rows.items() if name != _MET] + [seen]


def _three(values: np.ndarray) -> str:
    return ", ".join(f"{value:.1f}" for value in values)


def _blocks(images: np.ndarray) -> Iterator[Float[np.ndarray, "b 3 s s"]]:
    step = max(1, _BLOCK // images[0, 0].size)
    for start in range(0, len(images), step):
        yield images[start : start + step].astype(np.float32)


def _colours(images: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, int]:
    """Return each channel's mean and deviation, the mean deviation within an image, and greys."""
    total, squares, contrast, grey = np.zeros(3), np.zeros(3), 0.0, 0
    for block in _blocks(images):
        total += block.sum((0, 2, 3), dtype=np.float64)
        squares += np.square(block).sum((0, 2, 3), dtype=np.float64)
        contrast += float(block.mean(1).std((1, 2)).sum(dtype=np.float64))
        grey += int((block == block[:, :1]).all((1, 2, 3)).sum())
    count = images[:, 0].size
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 0))
    return mean, deviation, contrast / len(images), grey


def _shared(keys: list[bytes], splits: dict[str, tuple[int, ...]]) -> int:
    """Return how many training images are pixel for pixel in the holdout too."""
    train, holdout = (keys[slice(*splits.get(name, (0, 0)))] for name in ("train", "holdout"))
    held = set(holdout)
    return sum(key in held for key in train)


def compare_splits(dataset: Dataset) -> str:
    """Say in a line whether train and hold-out look like random parts of one set.

    Hotelling's test by permutation, on the leading principal components of 4×4 thumbnails and of
    contrast: one statistic for all, so that nothing is found for having looked at much.
    """
    train, holdout = (dataset.split(name).images for name in ("train", "holdout"))
    if min(len(train), len(holdout)) < 2:
        return f"train and hold-out cannot be compared: {len(train)} and {len(holdout)} images"
    p = _p_value(_summaries(train), _summaries(holdout))
    if p > NOISE:
        return f"train and hold-out look alike (p = {p:.3f})"
    return f"train and hold-out differ beyond noise (p = {p:.3f}): {_why(dataset)}"


def _why(dataset: Dataset) -> str:
    order = dataset.info.get("order")
    if order == "names":
        return "prepare again without --in-order, unless this is an official split"
    if order is None and "digest" in dataset.info.get("source", {}):  # by an older version
        return "prepare again into another folder, which draws them in random order"
    return f"in random order that is chance, once in {1 / NOISE:.0f} data sets"


def _summaries(images: UInt8[np.ndarray, "n 3 s s"]) -> Float[np.ndarray, "n d"]:
    """Return each image's summary: a thumbnail's colours, and contrast."""
    edges = np.linspace(0, images.shape[-1], _CELLS + 1).astype(int)
    sizes = np.diff(edges)
    rows = []
    for block in _blocks(images):
        sums = np.add.reduceat(np.add.reduceat(block, edges[:-1], 2), edges[:-1], 3)
        colours = (sums / np.outer(sizes, sizes)).reshape(len(block), -1)
        rows.append(np.column_stack([colours, block.mean(1).std((1, 2))]))
    return np.concatenate(rows)


def _p_value(train: Float[np.ndarray, "n d"], holdout: Float[np.ndarray, "m d"]) -> float:
    """Return the share of random splits that differ as much as this one, itself among them."""
    white = _whitened(np.concatenate([train, holdout]))
    rng = np.random.Generator(np.random.Philox(key=0))
    parts = (rng.permutation(len(white))[: len(holdout)] for _ in range(_PERMUTATIONS))
    found = np.square(white[len(train) :].mean(0)).sum()
    as_far = sum(np.square(white[part].mean(0)).sum() >= found * (1 - 1e-9) for part in parts)
    return float(1 + as_far) / (1 + _PERMUTATIONS)


def _whitened(summaries: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n k"]:
    """Return the leading principal components of standardised columns, each of variance one."""
    centred = summaries - summaries.mean(0)
    deviation = centred.std(0)
    standard = centred / np.where(deviation > 0, deviation, 1)
    variances, axes = np.linalg.eigh(standard.T @ standard / len(standard))
    kept = np.flatnonzero(variances > 1e-9 * max(variances[-1], 1e-9))[-_COMPONENTS:]
    return standard @ axes[:, kept] / np.sqrt(variances[kept])
