"""WebDataset: tars in which the files of a sample share a name up to its first dot.

``000.jpg`` has its class in ``000.cls``, or as `label` or `class` in ``000.json``. Many tars in a
folder are one set.
"""

import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from facebench.data.archive import Members, open_archive
from facebench.data.labels import COLUMNS, Labels, as_label

SUFFIXES = frozenset({".tar"})


def open_shards(folder: Path, names: Sequence[str]) -> Members:
    """Open tars of a folder as one; a file's name begins with that of its tar."""
    shards = {name: open_archive(folder / name, is_one_of_many=True) for name in names}
    homes = {f"{tar}/{name}": (tar, name) for tar, each in shards.items() for name in each.names}
    odd = tuple((f"{tar}/{n}", why) for tar, each in shards.items() for n, why in each.odd)

    def read(name: str) -> bytes:
        tar, inside = homes[name]
        return shards[tar].read(inside)

    return Members(tuple(homes), odd, read)


def add_labels(labels: Labels, found: Members, pictures: Sequence[str]) -> None:
    """Give the pictures of every sample the label of its ``.cls`` or ``.json``."""
    samples: dict[str, list[str]] = {}
    for name in pictures:
        samples.setdefault(_sample(name), []).append(name)
    for home in found.names:
        suffix = PurePosixPath(home).name.partition(".")[2].lower()
        if suffix not in _READERS or _sample(home) not in samples:
            continue
        with labels.reading(home):
            label = as_label(_READERS[suffix](found.read(home)))
            for name in samples[_sample(home)]:
                labels.add(name, label, home)


def _sample(name: str) -> str:
    """Return what the files of a sample share.

    >>> _sample("a.tar/b.c/000.left.jpg")
    'a.tar/b.c/000'
    """
    folder, slash, last = name.rpartition("/")
    return f"{folder}{slash}{last.partition('.')[0]}"


def _of_cls(data: bytes) -> str:
    return data.decode().strip()


def _of_json(data: bytes) -> object:
    info = json.loads(data)
    found = [info[each] for each in COLUMNS if each in info] if isinstance(info, dict) else []
    return found[0] if found else None


_READERS = {"cls": _of_cls, "json": _of_json}
