"""Every image once through every extractor that has not seen it yet, chunk by chunk.

A chunk is the unit that is kept: a run that is killed repeats at most one.
"""

import contextlib
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from facebench.engine.sources import ImageSource
from facebench.errors import BadInput, RowFailed
from facebench.features.extractor import Extractor, Record
from facebench.progress import Track, silent
from facebench.sampler import Images
from facebench.store import FeatureStore

CHUNK = 256
"""Images a record: 20 s of Inception on two cores, so that is what a killed run loses."""

_PACKAGES = (
    *("facebench", "torch", "torchvision", "torch-fidelity", "lpips"),
    *("numpy", "pillow", "keras", "tensorflow"),  # draw and decode images, where installed
)
"""Whose code features come from: another version may give others."""

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
    """Consecutive seeds, the extractors to show them to, and the key of each one's record."""

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
    track: Track = silent,
    description: str = "",
) -> dict[str, Record]:
    """Return each extractor's record over all `seeds`, by the extractor's name.

    Args:
        source: where the images come from.
        seeds: which images.
        extractors: the networks.
        store: what is there already is taken from it, and what is computed is kept in it.
        size: the height and width in pixels that the images must have.
        batch_size: images per call of the sampler and of a network; no result depends on it.
        device: the device the networks are on, part of the records' keys.
        track: progress display, in chunks.
        description: what the progress display says.
    """
    chunks = list(_chunks(source, seeds, extractors, device))
    records = [[store.load(key) for key in chunk.keys] for chunk in chunks]
    unseen = [(c, row) for c, row in zip(chunks, records, strict=True) if None in row]
    batches = [part for c, _ in unseen for part in _split(c.seeds, batch_size)]
    with contextlib.closing(source.batches(batches)) as images:  # ends the sampler's process
        for chunk, row in track(unseen, description, len(unseen)):
            parts = itertools.islice(images, len(_split(chunk.seeds, batch_size)))
            whole = _joined(list(parts), chunk.seeds, size)
            for i, extractor in enumerate(chunk.extractors):
                if row[i] is None:
                    row[i] = store.save(chunk.keys[i], extractor.extract(whole, batch_size))
    return _merged(chunks, records)


def _chunks(
    source: ImageSource, seeds: range, extractors: Sequence[Extractor], device: str
) -> Iterator[_Chunk]:
    for part in _split(seeds, CHUNK):
        shown = [*extractors, Preview()] if part.start == seeds.start else extractors
        keys = [_key(source, part, extractor, device) for extractor in shown]
        yield _Chunk(part, shown, keys)


def _key(source: ImageSource, seeds: range, extractor: Extractor, device: str) -> str:
    """Name everything that a record depends on, as JSON, for ``facebench store`` to read."""
    parts = {
        "source": source.key,
        "seeds": [seeds.start, seeds.stop],
        "network": extractor.name,
        "weights": extractor.weights,
        "precision": extractor.arithmetic,
        "versions": _versions(),
        "device": device.partition(":")[0],
    }
    return json.dumps(parts, sort_keys=True)


@cache
def _versions() -> dict[str, str]:
    installed = {}
    for package in _PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            installed[package] = version(package)
    return installed


def _split(seeds: range, length: int) -> list[range]:
    return [seeds[start : start + length] for start in range(0, len(seeds), length)]


def _joined(parts: list[np.ndarray], seeds: range, size: int) -> Images:
    for part in parts:
        height, width = part.shape[2:]
        if (height, width) != (size, size):
            raise BadInput(
                f"its images are {width}×{height} and the reference is {size}×{size}: give a "
                f"reference of that size, made with facebench data prepare --size {width}."
            )
    count = sum(map(len, parts))
    if count != len(seeds):
        raise RowFailed(f"the sampler stopped after {count} of {len(seeds)} images")
    return np.concatenate(parts)


def _merged(chunks: list[_Chunk], records: list[list[Record | None]]) -> dict[str, Record]:
    """Concatenate the rows of every extractor's records, which are emptied."""
    parts: dict[str, list[Record]] = {}
    for chunk, row in zip(chunks, records, strict=True):
        for extractor, record in zip(chunk.extractors, row, strict=True):
            assert record is not None, "every record was loaded or computed"
            parts.setdefault(extractor.name, []).append(record)
    return {
        name: {key: _concatenated(all_parts, key) for key in list(all_parts[0])}
        for name, all_parts in parts.items()
    }


def _concatenated(parts: list[Record], key: str) -> np.ndarray:
    """Move the rows called `key` into one array; all features are never held twice."""
    first = parts[0][key]
    rows = np.empty((sum(len(part[key]) for part in parts), *first.shape[1:]), first.dtype)
    at = 0
    for part in parts:
        moved = part.pop(key)
        rows[at : at + len(moved)] = moved
        at += len(moved)
    return rows
