"""What the networks are shown at a time: some chunks' images, where the networks are."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from facebench.cache.store import Record
from facebench.engine.thumbnails import shown_side, thumbnails
from facebench.features.extractor import Extractor, ImageBatch, Tensors
from facebench.numerics.transfer import download, send

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
    """Keeps the images themselves, to be looked at; asked for in the first chunk only."""

    name = f"preview-{PREVIEW}"
    layer = ""
    weights: dict[str, str] = {}  # noqa: RUF012 - a constant of the contract
    arithmetic = "none"
    notes: tuple[str, ...] = ()

    def __init__(self, side: int = 0):
        """Keep squares of `side` pixels; by default of a side that suits the images."""
        self._side = side

    def compute(self, images: ImageBatch, batch_size: int) -> Tensors:
        """Return the images as squares of one size, and which size each one is."""
        size = images.shape[2:]
        return {
            "images": thumbnails(images, self._side or shown_side([(size[0], size[1])])),
            "sizes": torch.tensor([size], device=images.device).expand(len(images), 2),
        }

    def kept(self, rows: Tensors, first: int) -> Tensors:
        """Return the first of them."""
        return {name: each[:PREVIEW] for name, each in rows.items()}

    def kept_as(self, first: int) -> str:
        """Name the side that was asked for."""
        return f"{self._side} pixels" if self._side else ""


@dataclass(frozen=True)
class BlockImages:
    """A block's images where the networks are, in runs of one size."""

    parts: Sequence[Sequence[Tensor]]
    """The runs of each chunk, ``uint8`` (n, 3, h, w) each."""
    whole: ImageBatch | None
    """All of them, where they are of one size."""

    def runs(self, places: Sequence[int]) -> list[Tensor]:
        """Return the images of some of the chunks."""
        if self.whole is not None and len(places) == len(self.parts):
            return [self.whole]
        return [run for i in places for run in self.parts[i]]


def arrange(block: Block, sampled: Sequence[np.ndarray], device: str) -> BlockImages:
    """Send the images of a block, sampled batch by batch, to `device`."""
    counts = [len(chunk.seeds) for chunk in block]
    if len({images.shape[1:] for images in sampled}) == 1:
        whole = send(np.concatenate(sampled), device)
        return BlockImages([[part] for part in torch.split(whole, counts)], whole)
    singles = (send(image[None], device) for images in sampled for image in images)
    return BlockImages([list(islice(singles, count)) for count in counts], None)


def look_at(
    block: Block, images: BlockImages, found: Mapping[str, Record], batch_size: int
) -> dict[str, Callable[[], Record]]:
    """Ask the extractors for the records that lack; return by its key what waits for each."""
    lacking: dict[Extractor, list[int]] = defaultdict(list)
    for i, chunk in enumerate(block):
        for extractor, key in chunk.keys.items():
            if key not in found:
                lacking[extractor].append(i)
    asked = {}
    for extractor, places in lacking.items():
        numbers = [block[i].first + k for i in places for k in range(len(block[i].seeds))]
        rows = _rows(extractor.beside(numbers), images.runs(places), batch_size)
        counts = [math.ceil(len(block[i].seeds) / extractor.images_per_row) for i in places]
        for i, part in zip(places, _divided(rows, counts), strict=True):
            chunk = block[i]
            asked[chunk.keys[extractor]] = download(extractor.kept(part, chunk.first))
    return asked


def _rows(extractor: Extractor, runs: Sequence[Tensor], batch_size: int) -> Tensors:
    """Return what `extractor` makes of all runs, of those of one size at a time."""
    alike: dict[torch.Size, list[int]] = defaultdict(list)
    for i, run in enumerate(runs):
        alike[run.shape[2:]].append(i)
    if len(alike) == 1:
        return extractor.compute(_joined(runs), batch_size)
    parts: dict[int, Tensors] = {}
    for places in alike.values():
        same = [runs[i] for i in places]
        rows = extractor.compute(_joined(same), batch_size)
        parts |= dict(zip(places, _divided(rows, list(map(len, same))), strict=True))
    return {name: torch.cat([parts[i][name] for i in range(len(runs))]) for name in parts[0]}


def _joined(runs: Sequence[Tensor]) -> ImageBatch:
    return runs[0] if len(runs) == 1 else torch.cat(list(runs))


def _divided(rows: Tensors, counts: Sequence[int]) -> list[Tensors]:
    """Return the rows of each chunk, of which there are so many."""
    if len(counts) == 1:
        return [rows]
    parts = {name: torch.split(tensor, list(counts)) for name, tensor in rows.items()}
    return [{name: parts[name][i] for name in rows} for i in range(len(counts))]
