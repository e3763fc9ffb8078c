"""Every image once through every extractor that has not seen it yet, chunk by chunk.

A chunk is the unit that is kept. Chunks are computed a block at a time, as many as a network's
batch needs; while one block is computed, the images of the next are sampled and the features of the
last brought back and kept. A run that is killed repeats at most two blocks.
"""

import contextlib
import itertools
import json
import math
import tempfile
from collections import defaultdict
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from facebench.cache.store import FeatureStore
from facebench.distributed.ranks import ALONE, Ranks
from facebench.engine.block import Block, Chunk, Preview, arrange, look_at
from facebench.engine.environment import versions
from facebench.engine.keeper import Keeper
from facebench.engine.phase_costs import Meter
from facebench.engine.sources import ImageSource, Key, runs
from facebench.errors import RowFailed
from facebench.features.extractor import Extractor, Record
from facebench.progress import Track, silent

CHUNK = 256
"""Images a record: 9 s of Inception on two cores."""

T = TypeVar("T")


def extract(
    source: ImageSource,
    seeds: range,
    extractors: Sequence[Extractor],
    store: FeatureStore,
    *,
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
        batch_size: images per call of the sampler and of a network; no result depends on it.
        device: the device the networks are on, part of the records' keys.
        ranks: the processes that share the work.
        meter: is told what that takes.
        track: progress display, in blocks.
        description: what the progress display says.
    """
    meter = meter or Meter()
    with contextlib.closing(source):  # ends the sampler's process
        chunks = _chunks(source, seeds, extractors, device, ranks, meter)
        keys = [key for chunk in chunks for key in chunk.keys.values()]
        found = {key: record for key in keys if (record := store.load(key))}
        missing = [
            i for i, chunk in enumerate(chunks) if not found.keys() >= {*chunk.keys.values()}
        ]
        missing = ranks.told(missing)  # for stores may differ
        owners = {i: ranks.owner(position) for position, i in enumerate(missing)}
        mine = [chunks[i] for i, owner in owners.items() if owner == ranks.rank]
        blocks = _split(mine, math.ceil(batch_size / CHUNK))
        with ranks.together(), Keeper(store, found) as keeper:
            sampled = _sampled(source, blocks, batch_size, meter)
            for block in track(blocks, description, len(blocks)):
                images = next(sampled)
                with meter.phase("looking at them"):
                    there = arrange(block, images, device)
                    keeper.keep(look_at(block, there, found, batch_size))
            if blocks:
                with meter.phase("looking at them"):
                    keeper.finish()
    found |= ranks.collect({k: owners[i] for i in missing for k in chunks[i].keys.values()}, store)
    return _joined(chunks, found, store.folder) if ranks.leads else {}


def _sampled(
    source: ImageSource, blocks: Sequence[Block], batch_size: int, meter: Meter
) -> Generator[list[np.ndarray]]:
    """Yield the images of each block, sampled batch by batch, in runs of one size."""
    seeds = [list(itertools.chain(*(chunk.seeds for chunk in block))) for block in blocks]
    batches = [_split(each, batch_size) for each in seeds]
    with contextlib.closing(source.batches(list(itertools.chain(*batches)))) as images:
        for wanted, split in zip(seeds, batches, strict=True):
            with meter.phase("waiting for images"):
                sampled = [
                    run for each in itertools.islice(images, len(split)) for run in runs(each)
                ]
            meter.images += len(wanted)
            _require_all(sampled, len(wanted))
            yield sampled


def _chunks(
    source: ImageSource,
    seeds: range,
    extractors: Sequence[Extractor],
    device: str,
    ranks: Ranks,
    meter: Meter,
) -> list[Chunk]:
    """Return the chunks with their keys, which the leader finds for all ranks."""
    parts, found = parts_of(seeds, extractors), list[Key]()
    with ranks.together():
        if ranks.leads:
            with meter.phase("waiting for images"):
                found = source.keys(parts)
    return chunks_of(seeds, ranks.told(found), extractors, Preview(source.preview_side), device)


def parts_of(seeds: range, extractors: Sequence[Extractor] = ()) -> list[range]:
    """Return the seeds of each chunk: where an extractor looks at groups, of whole ones.

    >>> parts_of(range(300))
    [range(0, 256), range(256, 300)]
    """
    group = max((each.group for each in extractors), default=1)
    length = max(1, CHUNK // group) * group
    return [seeds[start : start + length] for start in range(0, len(seeds), length)]


def chunks_of(
    seeds: range,
    found: Sequence[Key],
    extractors: Sequence[Extractor],
    preview: Preview,
    device: str,
) -> list[Chunk]:
    """Return the chunks of `seeds`, by the key of each one's images, with the records' keys."""
    chunks = []
    for key, part in zip(found, parts_of(seeds, extractors), strict=True):
        first = part.start - seeds.start
        shown = [*extractors, preview] if first == 0 else extractors
        keys = {each: _key(key, part, first, each, device) for each in shown}
        chunks.append(Chunk(part, first, keys))
    return chunks


def _key(source: Key, seeds: range, first: int, extractor: Extractor, device: str) -> str:
    """Name everything that a record depends on, as JSON, for ``facebench store`` to read."""
    parts = source | {
        "seeds": [seeds.start, seeds.stop],
        "network": extractor.name,
        "weights": extractor.weights,
        "precision": extractor.arithmetic,
        "versions": versions(),
        "device": device.partition(":")[0],
    }
    if form := extractor.kept_as(first):
        parts["kept as"] = form
    return json.dumps(parts, sort_keys=True)


def _split(items: Sequence[T], length: int) -> list[Sequence[T]]:
    return [items[start : start + length] for start in range(0, len(items), length)]


def _require_all(sampled: Sequence[np.ndarray], count: int) -> None:
    given = sum(map(len, sampled))
    if given != count:
        raise RowFailed(f"the sampler stopped after {given} of {count} images")


def _joined(
    chunks: Sequence[Chunk], found: Mapping[str, Record], folder: Path
) -> dict[str, Record]:
    """Return the rows of all chunks, by extractor."""
    parts: dict[str, list[Record]] = defaultdict(list)
    for chunk in chunks:
        for extractor, key in chunk.keys.items():
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
