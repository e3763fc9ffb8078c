"""What the networks are shown at a time: some chunks' images, where the networks are."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from facebench.cache.store import Record
from facebench.features.extractor import Extractor, ImageBatch, Tensors
from facebench.numerics.transfer import download

PREVIEW = 36
"""Images kept for the sample grid, 6×6 as ever."""


@dataclass(frozen=True)
class Chunk:
    """Consecutive seeds, the extractors of their images, and the key of each one's record."""

    seeds: range
    first: int
    """How many images of the set come before."""
    keys: Mapping[Extractor, str]


Block = Sequence[Chunk]


class Preview(Extractor):
    """Keeps the images themselves; asked for in the first chunk only."""

    name = f"preview-{PREVIEW}"
    layer = ""
    weights: dict[str, str] = {}  # noqa: RUF012 - a constant of the contract
    arithmetic = "none"
    notes: tuple[str, ...] = ()

    def compute(self, images: ImageBatch, batch_size: int) -> Tensors:
        """Return the first images as they are."""
        return {"images": images[:PREVIEW]}


def look_at(
    block: Block, images: ImageBatch, found: Mapping[str, Record], batch_size: int
) -> dict[str, Callable[[], Record]]:
    """Ask the extractors for the records that lack; return by its key what waits for each."""
    parts = torch.split(images, [len(chunk.seeds) for chunk in block])
    lacking: dict[Extractor, list[int]] = defaultdict(list)
    for i, chunk in enumerate(block):
        for extractor, key in chunk.keys.items():
            if key not in found:
                lacking[extractor].append(i)
    asked = {}
    for extractor, places in lacking.items():
        whole = len(places) == len(block)
        chosen = images if whole else torch.cat([parts[i] for i in places])
        rows = extractor.compute(chosen, batch_size)
        counts = [math.ceil(len(parts[i]) / extractor.images_per_row) for i in places]
        for i, part in zip(places, _divided(rows, counts), strict=True):
            chunk = block[i]
            asked[chunk.keys[extractor]] = download(extractor.kept(part, chunk.first))
    return asked


def _divided(rows: Tensors, counts: Sequence[int]) -> list[Tensors]:
    """Return the rows of each chunk, of which there are so many."""
    if len(counts) == 1:
        return [rows]
    parts = {name: torch.split(tensor, list(counts)) for name, tensor in rows.items()}
    return [{name: parts[name][i] for name in rows} for i in range(len(counts))]
