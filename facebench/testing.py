"""Does a sampler keep the contract? The suite of ``facebench check``, for adapters' own tests too.

>>> import numpy as np
>>> class Noise:
...     def sample(self, seeds):
...         draw = lambda seed: np.random.default_rng(seed).integers(0, 256, (3, 8, 8), np.uint8)
...         return np.stack([draw(seed) for seed in seeds])
>>> check_sampler(Noise(), num=8).ok
True
"""

import resource
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from facebench.errors import cause
from facebench.sampler import Images, Sampler, checked, drawn, known_classes

Level = Literal["ok", "note", "failed"]

TOLERANCE = 1
"""Grey levels by which an image may differ between batches: sums in another order round otherwise.
"""


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    check: str
    level: Level
    text: str


@dataclass(frozen=True)
class Report:
    """All findings, in order."""

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return all(finding.level != "failed" for finding in self.findings)


@dataclass(frozen=True)
class _First:
    """A sampler, and the images that it gave first."""

    sampler: Sampler
    seeds: Sequence[int]
    images: Images
    device: str
    classes: Sequence[str] = ()
    """What it can be asked for, if anything."""

    def again(self, seeds: Sequence[int], labels: Sequence[str] | None = None) -> Images:
        return checked(drawn(self.sampler, seeds, labels), len(seeds))


def check_sampler(
    sampler: Sampler, num: int = 32, first_seed: int = 0, device: str = "cpu"
) -> Report:
    """Sample `num` images in several ways and say what was found; an exception is a finding.

    Args:
        sampler: what is checked.
        num: images, at least 4.
        first_seed: of the images.
        device: what it computes on: on the CPU images that are drawn again are the same to the bit.
    """
    seeds = range(first_seed, first_seed + max(num, 4))
    return Report(tuple(_findings(sampler, seeds, device)))


def _findings(sampler: Sampler, seeds: Sequence[int], device: str) -> Iterator[Finding]:
    before, started = _memory(), time.perf_counter()
    try:
        classes = known_classes(sampler) or ()
        images = checked(sampler.sample(seeds), len(seeds))
    except Exception as error:
        yield Finding("contract", "failed", cause(error))
        return
    seconds = time.perf_counter() - started
    height, width = images.shape[2:]
    yield Finding("contract", "ok", f"uint8 (n, 3, {height}, {width}), RGB")
    first = _First(sampler, seeds, images, device, classes)
    for name, check in (_CHECKS | (_OF_CLASSES if classes else {})).items():
        try:
            yield Finding(name, *check(first))
        except Exception as error:
            yield Finding(name, "failed", cause(error))
    yield Finding("speed", "note", f"{len(seeds) / seconds:.3g} images a second")
    yield Finding("memory", "note", f"{(_memory() - before) >> 20} MiB more at its peak")


def _range(first: _First) -> tuple[Level, str]:
    low, high = int(first.images.min()), int(first.images.max())
    if low == high:
        return "failed", f"every pixel of every image is {low}"
    if high <= 2:
        return "failed", f"values lie in {low} to {high}: they look like a range not scaled to 255"
    if high - low < 64:
        return "note", f"values lie in {low} to {high}, which is little contrast"
    return "ok", f"values lie in {low} to {high}"


def _determinism(first: _First) -> tuple[Level, str]:
    tolerance = 0 if first.device == "cpu" else TOLERANCE
    return compared(first.images, first.again(first.seeds), "drawn again", tolerance)


def _batches(first: _First) -> tuple[Level, str]:
    parts = [first.seeds[:1], first.seeds[1:4], first.seeds[4:]]
    again = np.concatenate([first.again(part) for part in parts if part])
    return compared(first.images, again, "in batches of 1, 3 and the rest")


def _order(first: _First) -> tuple[Level, str]:
    return compared(first.images, first.again(first.seeds[::-1])[::-1], "drawn backwards")


def compared(
    images: np.ndarray, again: np.ndarray, how: str, tolerance: int = TOLERANCE
) -> tuple[Level, str]:
    """Say by how much the same `images` differ when they are drawn `again`; beyond it is failed."""
    if again.shape != images.shape:
        return "failed", f"{how}, the images have the shape {again.shape}"
    distance = np.abs(again.astype(np.int16) - images)
    largest = distance.max((1, 2, 3))
    share = f", in {100 * (distance > 0).mean():.2g} % of pixel values"
    differ = int((largest > tolerance).sum())
    if differ:
        by = f"by up to {largest.max()} grey levels{share}"
        return "failed", f"{how}, {differ} of {len(again)} images differ {by}"
    if largest.any():
        return "note", f"{how}, images differ by at most {largest.max()} grey level{share}"
    return "ok", f"{how}, the images are the same"


def _seeds_matter(first: _First) -> tuple[Level, str]:
    _, counts = np.unique(first.images.reshape(len(first.images), -1), axis=0, return_counts=True)
    if len(counts) == 1:
        return "failed", "every seed gives the same image"
    if len(counts) < len(first.images):
        copies = len(first.images) - len(counts)
        return "note", f"{copies} of {len(first.images)} images are copies of others"
    return "ok", f"{len(counts)} seeds give {len(counts)} different images"


def _pictures(first: _First) -> tuple[Level, str]:
    flat = int((first.images.min((1, 2, 3)) == first.images.max((1, 2, 3))).sum())
    if flat == len(first.images):
        return "failed", "every image is one flat colour"
    return ("note", f"{flat} images are one flat colour") if flat else ("ok", "no image is flat")


def _untouched(first: _First) -> tuple[Level, str]:
    images = first.sampler.sample(first.seeds)
    copy = images.copy()
    first.sampler.sample([first.seeds[-1] + 1])
    if (images != copy).any():
        return "failed", "a later call changes images that were given before"
    return "ok", "later calls leave earlier images alone"


def _classes(first: _First) -> tuple[Level, str]:
    """Say whether an image depends on its own seed and label alone."""
    labels = [first.classes[i % len(first.classes)] for i in range(len(first.seeds))]
    images = first.again(first.seeds, labels).copy()
    backwards = first.again(first.seeds[::-1], labels[::-1])[::-1]
    level, text = compared(images, backwards, "asked for classes, and drawn backwards")
    if level == "failed":
        return level, text
    cut = len(labels) // 3
    parts = [first.again(first.seeds[part], labels[part]).copy() for part in _parts(cut)]
    return compared(images, np.concatenate(parts), f"asked for {len({*labels})} classes, in parts")


def _parts(cut: int) -> tuple[slice, ...]:
    return slice(0, 1), slice(1, 1 + cut), slice(1 + cut, None)


def _labels_matter(first: _First) -> tuple[Level, str]:
    if len(first.classes) == 1:
        return "note", "there is one class only"
    count = len(first.seeds)
    one, other = (first.again(first.seeds, [name] * count).copy() for name in first.classes[:2])
    if (one == other).all():
        return "failed", "the same seeds give the same images, whichever class is asked for"
    return "ok", f"{len(first.classes)} classes, and another label gives another image"


def _unknown_label(first: _First) -> tuple[Level, str]:
    unknown = "no class of this name"
    try:
        first.again(first.seeds[:1], [unknown])
    except Exception as error:
        return "ok", f"a class that there is not is refused ({cause(error)})"
    return "failed", f"asked for {unknown!r}, it gives an image: raise an error"


_CHECKS: dict[str, Callable[[_First], tuple[Level, str]]] = {
    "range": _range,
    "determinism": _determinism,
    "batches": _batches,
    "order": _order,
    "seeds": _seeds_matter,
    "pictures": _pictures,
    "memory kept": _untouched,
}
_OF_CLASSES: dict[str, Callable[[_First], tuple[Level, str]]] = {
    "classes": _classes,
    "labels": _labels_matter,
    "unknown label": _unknown_label,
}


def _memory() -> int:
    """Return the most memory that this process ever held, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
