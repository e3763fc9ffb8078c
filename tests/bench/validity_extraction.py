"""Every feature that the validity table needs, extracted where it is not kept yet."""

from collections.abc import Iterator, Sequence

from validity_sets import CHUNK, ImageSet, Stage, Work

Chunk = tuple[str, ImageSet, int]


def missing(work: Work, stages: Sequence[Stage]) -> list[Chunk]:
    """Return the chunks that are not kept, in an order in which the table can be begun early.

    The first 1,000 images of every set of a stage come before the others.
    """
    found = [chunk for stage in stages for chunk in _early_first(stage)]
    return [chunk for chunk in dict.fromkeys(found) if not work.has(*chunk)]


def _early_first(stage: Stage) -> Iterator[Chunk]:
    chunks = [
        (stage.extractor, images, chunk)
        for images, count in stage.sets()
        for chunk in range(-(-count // CHUNK))
    ]
    return iter(sorted(chunks, key=lambda each: each[2] * CHUNK >= 1000))
