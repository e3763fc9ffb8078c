"""What of two sets of images cannot be compared: one line each, beside the numbers."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from facebench.metrics.modes import DEFAULT, Mode
from facebench.metrics.table import Metric
from facebench.text import listed

FEW = 500
"""Images a side: of fewer, what a distance says is mostly how few there are."""
_LOSSY = {"JPEG", "MPO", "WEBP", "AVIF", "JPEG2000"}
_NO_FILE = "pixels that were never compressed"
_SHOWN = 2  # sizes in a line

Size = tuple[int, int]
"""Height and width in pixels."""


@dataclass(frozen=True)
class Side:
    """One of two sets that are compared."""

    count: int
    sizes: frozenset[Size]
    formats: frozenset[str] = frozenset()
    """Of picture files; none of arrays and of what models give."""
    content: str = ""
    """The digest of pictures."""
    converted: int = 0
    """How many of them are turned by EXIF, or laid over white where they are transparent."""
    is_prepared: bool = False
    """Whether its pictures were brought to one size by facebench, whatever files they were."""


def remarks(fake: Side, real: Side, counts: bool) -> Iterator[str]:
    """Yield what must be said of a comparison; of numbers of images only where `counts`."""
    if counts and fake.count and real.count:
        yield from _on_counts(fake, real)
    if fake.content and fake.content == real.content:
        yield "its images are the real ones themselves"
    if not (fake.sizes and real.sizes):  # statistics
        return
    if fake.sizes != real.sizes:
        yield (
            f"its images are {_listed(fake.sizes)} pixels and the real ones {_listed(real.sizes)}: "
            "the network resizes both, and what was enlarged lacks detail that the others have"
        )
    one, other = ({*each.formats} & _LOSSY for each in (fake, real))
    if one != other and not (fake.is_prepared or real.is_prepared):
        yield (
            f"its images are {_files(fake.formats)} and the real ones {_files(real.formats)}: "
            "compression alone moves every distance, so save both alike"
        )


def on_mode(mode: Mode, *sides: Side) -> str:
    """Say where pictures are not decoded as the tool does whose definitions are followed."""
    count = sum(side.converted for side in sides)
    if mode.name == DEFAULT or not count:
        return ""
    return (
        f"pictures that EXIF turns or that are transparent ({count:,} here) are decoded otherwise "
        f"by {mode.name}, whose number is another one: save them upright and opaque"
    )


def without_sizes(rows: Collection[Metric], fake: Side, real: Side) -> tuple[list[Metric], str]:
    """Return the metrics that images of these sizes have, and what to say of those left out."""
    if fake.sizes == real.sizes and len(fake.sizes) == 1:
        return list(rows), ""
    left = [row for row in rows if row.needs != "lpips"]
    out = ", ".join(row.key for row in rows if row.needs == "lpips")
    note = f"no {out}, which is of images of one size, the same as the real ones'" if out else ""
    return left, note


def without_classes(
    rows: Collection[Metric], fake: np.ndarray | None, real: np.ndarray | None
) -> tuple[list[Metric], str]:
    """Return the metrics that images of these classes have, and what to say of those left out."""
    out = ", ".join(row.key for row in rows if row.needs == "labels")
    left = [row for row in rows if row.needs != "labels"]
    if not out or real is None:
        return left, ""
    if fake is None:
        return left, f"no {out}: its images have no classes"
    if _frequent(fake) & _frequent(real):
        return list(rows), ""
    sides = f"its classes are {listed({*fake})}, the real ones' {listed({*real})}"
    return left, f"no {out}: no class has 2 images on both sides; {sides}"


def _frequent(labels: np.ndarray) -> set[str]:
    """Return the classes that have 2 images."""
    names, counts = np.unique(labels, return_counts=True)
    return {*names[counts > 1].tolist()}


def _on_counts(fake: Side, real: Side) -> Iterator[str]:
    if min(fake.count, real.count) < FEW:
        yield (
            f"{fake.count:,} generated and {real.count:,} real images: of fewer than {FEW} a "
            "distance tells little, and it is far too large"
        )
    if fake.count != real.count:
        yield (
            f"{fake.count:,} generated images against {real.count:,} real ones: compare the number "
            "only with others of as many"
        )


def _listed(sizes: Collection[Size]) -> str:
    """Return sizes as people write them: width first.

    >>> _listed({(218, 178)}), _listed({(8, 8), (9, 9), (10, 10)})
    ('178×218', 'of 3 sizes (8×8, 9×9, …)')
    """
    ordered = sorted(sizes)
    texts = [f"{width}×{height}" for height, width in ordered[:_SHOWN]]
    if len(ordered) == 1:
        return texts[0]
    more = ", …" if len(ordered) > _SHOWN else ""
    return f"of {len(ordered)} sizes ({', '.join(texts)}{more})"


def _files(formats: Collection[str]) -> str:
    return " and ".join(sorted(formats)) + " files" if formats else _NO_FILE
