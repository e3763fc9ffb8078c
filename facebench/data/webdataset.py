"""WebDataset: tars in which the files of a sample share a name up to its first dot.

``000.jpg`` has its class in ``000.cls``, or as `label` or `class` in ``000.json``. Many tars in a
folder are one set.
"""

import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from facebench.data.archive import Members, open_archive
from facebench.data.labels import COLUMNS, Labels, NoClasses, as_label
from facebench.errors import BadInput
from facebench.text import shown

SUFFIXES = frozenset({".tar"})
_LONGEST = 1 << 10  # bytes of a class's name


def open_shards(folder: Path, names: Sequence[str]) -> Members:
    """Open tars of a folder as one; a file's name begins with that of its tar."""
    shards = {name: open_archive(folder / name, is_one_of_many=True) for name in names}
    homes = {f"{tar}/{name}": (tar, name) for tar, each in shards.items() for name in each.names}
    odd = tuple((f"{tar}/{n}", why) for tar, each in shards.items() for n, why in each.odd)

    def read(name: str) -> bytes:
        tar, inside = homes[name]
        return shards[tar].read(inside)

    return Members(tuple(homes), odd, read)


def add_labels(labels: Labels, path: Path, found: Members, pictures: Sequence[str]) -> None:
    """Give the pictures of every sample the label of its ``.cls`` or ``.json``."""
    samples: dict[str, list[str]] = {}
    for name in pictures:
        samples.setdefault(_sample(name), []).append(name)
    for home in found.names:
        suffix = PurePosixPath(home).name.partition(".")[2].lower()
        if suffix not in _READERS or _sample(home) not in samples:
            continue
        try:
            label = as_label(_READERS[suffix](found.read(home)))
        except NoClasses:
            labels.no_classes.add(home)
            continue
        except (ValueError, RecursionError) as error:
            raise BadInput(
                f"{path}: {shown(home)} cannot be read as a label ({shown(str(error))}): mend it, "
                "or leave all labels out (--labels none)."
            ) from error
        if label is not None:
            labels.used.add(home)
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
    if len(data) > _LONGEST:
        raise ValueError(f"it has {len(data)} bytes")
    return data.decode().strip()


def _of_json(data: bytes) -> object:
    info = json.loads(data)
    found = [info[each] for each in COLUMNS if each in info] if isinstance(info, dict) else []
    return found[0] if found else None


_READERS = {"cls": _of_cls, "json": _of_json}
