"""Every image once through every extractor that has not seen it yet, chunk by chunk.

A chunk is the unit that is kept: a run that is killed repeats at most one.
"""

import contextlib
import itertools
import json
import tempfile
from collections import defaultdict
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facebench.cache.store import FeatureStore
from facebench.distributed.ranks import ALONE, Ranks
from facebench.engine.environment import versions
from facebench.engine.phase_costs import Meter
from facebench.engine.sources import ImageSource, Key
from facebench.errors import BadInput, RowFailed
from facebench.features.extractor import Extractor, Record
from facebench.progress import Track, silent
from facebench.sampler import Images

CHUNK = 256
"""Images a record: 9 s of Inception on two cores, so that is what a killed run loses."""

PREVIEW = 36
"""Images kept for the sample grid, 6×6 as ever."""


class Preview:
    """Keeps the images themselves; asked for in the first chunk only."""

    name = f"preview-{PREVIEW}"
    layer = ""
    weights: dict[str, str] = {}  # noqa: RUF012 - a constant of the contract
    arithmetic = "none"
    notes: tuple[str, ...] = ()

    def extract(self, images: Images, batch_size: int) -> Record:
        """Return the first images as they are."""
        return {"images": images[:PREVIEW]}


@dataclass(frozen=True)
class _Chunk:
    """Consecutive seeds, the extractors of their images, and the key of each one's record."""

    seeds: range
    extractors: Sequence[Extractor]
    keys: Sequence[str]


def extract(
    source: ImageSource,
    seeds: range,
    extractors: Sequence[Extractor],
    store: FeatureStore,
    *,
    size: int,
    batch_size: int = 64,
    device: str = "cpu",
    ranks: Ranks = ALONE,
    meter: Meter | None = None,
    track: Track = silent,
    description: str = "",
) -> dict[str, Record]:
    """Return each extractor's record over all `seeds`, by the extractor's name.

    Of several ranks each computes its share, and only the leader returns anything.

    Args:
        source: where the images come from.
        seeds: which images.
        extractors: the networks.
        store: what is there already is taken from it, and what is computed is kept in it.
        size: the height and width in pixels that the images must have.
        batch_size: images per call of the sampler and of a network; no result depends on it.
        device: the device the networks are on, part of the records' keys.
        ranks: the processes that share the work.
        meter: is told what that takes.
        track: progress display, in chunks.
        description: what the progress display says.
    """
    meter = meter or Meter()
    with contextlib.closing(source):  # ends the sampler's process
        chunks = _chunks(source, seeds, extractors, device, ranks, meter)
        keys = [key for chunk in chunks for key in chunk.keys]
        found = {key: record for key in keys if (record := store.load(key))}
        missing = [i for i, chunk in enumerate(chunks) if not found.keys() >= {*chunk.keys}]
        missing = ranks.told(missing)  # for stores may differ
        owners = {i: ranks.owner(position) for position, i in enumerate(missing)}
        mine = [chunks[i] for i, owner in owners.items() if owner == ranks.rank]
        with ranks.together():
            parts = _sampled(source, [chunk.seeds for chunk in mine], size, batch_size, meter)
            for chunk in track(mine, description, len(mine)):
                _extract_chunk(chunk, next(parts), found, store, batch_size, meter)
    found |= ranks.collect({key: owners[i] for i in missing for key in chunks[i].keys}, store)
    return _joined(chunks, found, store.folder) if ranks.leads else {}


def _sampled(
    source: ImageSource, parts: Sequence[range], size: int, batch_size: int, meter: Meter
) -> Generator[Images]:
    """Yield the images of each part, sampled batch by batch."""
    batches = [_split(part, batch_size) for part in parts]
    with contextlib.closing(source.batches(list(itertools.chain(*batches)))) as images:
        for part, split in zip(parts, batches, strict=True):
            with meter.phase("waiting for images"):
                sampled = [_sized(each, size) for each in itertools.islice(images, len(split))]
            meter.images += len(part)
            yield _whole(sampled, part)


def _extract_chunk(
    chunk: _Chunk,
    images: Images,
    found: dict[str, Record],
    store: FeatureStore,
    batch_size: int,
    meter: Meter,
) -> None:
    """Keep, and add to what was `found`, the records that lack. They are mapped, not in memory."""
    for extractor, key in zip(chunk.extractors, chunk.keys, strict=True):
        if key not in found:
            with meter.phase("looking at them"):
                record = extractor.extract(images, batch_size)
            found[key] = store.save(key, record)


def _chunks(
    source: ImageSource,
    seeds: range,
    extractors: Sequence[Extractor],
    device: str,
    ranks: Ranks,
    meter: Meter,
) -> list[_Chunk]:
    """Return the chunks with their keys, which the leader finds for all ranks."""
    parts, found = _split(seeds, CHUNK), list[Key]()
    with ranks.together():
        if ranks.leads:
            with meter.phase("waiting for images"):
                found = source.keys(parts)
    chunks = []
    for key, part in zip(ranks.told(found), parts, strict=True):
        shown = [*extractors, Preview()] if part.start == seeds.start else extractors
        keys = [_key(key, part, extractor, device) for extractor in shown]
        chunks.append(_Chunk(part, shown, keys))
    return chunks


def _key(source: Key, seeds: range, extractor: Extractor, device: str) -> str:
    """Name everything that a record depends on, as JSON, for ``facebench store`` to read."""
    parts = source | {
        "seeds": [seeds.start, seeds.stop],
        "network": extractor.name,
        "weights": extractor.weights,
        "precision": extractor.arithmetic,
        "versions": versions(),
        "device": device.partition(":")[0],
    }
    return json.dumps(parts, sort_keys=True)


def _split(seeds: range, length: int) -> list[range]:
    return [seeds[start : start + length] for start in range(0, len(seeds), length)]


def _sized(images: Images, size: int) -> Images:
    """Return `images` if they are of the size wanted: the first batch tells."""
    height, width = images.shape[2:]
    if (height, width) == (size, size):
        return images
    reference = f"its images are {width}×{height} and the reference is {size}×{size}"
    if height == width and 8 <= width <= 1024:
        raise BadInput(
            f"{reference}: give a reference of that size, made with facebench data prepare --size "
            f"{width}, or bring pictures to its size by facebench data prepare PICTURES OUT --size "
            f"{size} and name images:OUT/images.npy."
        )
    raise BadInput(  # which no reference can be
        f"{reference}: save them as pictures, if they are none yet, run facebench data prepare "
        f"PICTURES OUT --size {size}, with the reference's --crop, and name images:OUT/images.npy."
    )


def _whole(parts: list[np.ndarray], seeds: range) -> Images:
    count = sum(map(len, parts))
    if count != len(seeds):
        raise RowFailed(f"the sampler stopped after {count} of {len(seeds)} images")
    return np.concatenate(parts)


def _joined(
    chunks: Sequence[_Chunk], found: Mapping[str, Record], folder: Path
) -> dict[str, Record]:
    """Return the rows of all chunks, by extractor."""
    parts: dict[str, list[Record]] = defaultdict(list)
    for chunk in chunks:
        for extractor, key in zip(chunk.extractors, chunk.keys, strict=True):
            parts[extractor.name].append(found[key])
    return {
        name: {key: _rows([each[key] for each in records], folder) for key in records[0]}
        for name, records in parts.items()
    }


def _rows(parts: Sequence[np.ndarray], folder: Path) -> np.ndarray:
    """Return arrays as one: a single one as it is, several in a file without a name."""
    if len(parts) == 1:
        return parts[0]
    with tempfile.TemporaryFile(dir=folder) as file:
        for part in parts:
            file.write(np.ascontiguousarray(part).data)
        file.flush()
        shape = (sum(map(len, parts)), *parts[0].shape[1:])
        return np.memmap(file, parts[0].dtype, "r+", shape=shape)
