"""HDF5 of pictures, as BigGAN-PyTorch and StudioGAN write it: `imgs` with `labels` beside it.

Only what lies in the file itself is read, by filters that come with h5py: links to other files,
external storage, virtual datasets and other filters, which are libraries that would be loaded, are
refused before they are looked into.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from math import prod
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from facebench.data.archive import DAMAGE, LARGEST_FILE, LARGEST_RATIO, check_size, damaged
from facebench.data.labels import LABELS, NoClasses, is_labels, labels_of
from facebench.data.source import Pictures
from facebench.data.spool import Spool
from facebench.errors import BadInput
from facebench.files import file_digest
from facebench.text import printable, shown

MAGIC = b"\x89HDF\r\n\x1a\n"
_FILTERS = {1, 2, 3, 32000}  # gzip, shuffle, checksums, LZF
_MOST_OBJECTS = 10_000
_ROOM = 1 << 20  # bytes of pixels of which nothing need be stored
_DAMAGE = (*DAMAGE, KeyError, TypeError, OverflowError)


def is_hdf5(path: Path) -> bool:
    """Say whether `path` is such a file: its signature may follow a block of the user's."""
    with path.open("rb") as stream:
        for place in (0, 512, 1024, 2048, 4096):
            stream.seek(place)
            if stream.read(len(MAGIC)) == MAGIC:
                return True
    return False


def open_hdf5(path: Path, with_labels: bool) -> Pictures:
    """Open the one dataset of pictures in `path`, NCHW or NHWC, and its labels if wanted."""
    h5py = _h5py(path)
    try:
        datasets = [*_datasets(path, h5py.File(path, "r"))]
        inside = [each for each in datasets if not _is_elsewhere(each)]
        outside = [shown(each.name) for each in datasets if each not in inside]
        found = _pictures(path, inside, outside)
        names = [f"{printable(path.name)}[{index}]" for index in range(len(found))]
        left_out = [f"{name} [it lies in other files]" for name in outside]
        pictures = Pictures(names, _loader(path, found), partial(file_digest, path), left_out)
        return _labelled(path, pictures, found, inside) if with_labels else pictures
    except _DAMAGE as error:
        raise damaged(path, error) from error


def _h5py(path: Path) -> Any:
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise BadInput(
            f"{path} is HDF5, for which the package 'h5py' is needed, which is not installed: "
            "pip install 'facebench[hdf5]'"
        ) from error
    return h5py


def _datasets(path: Path, file: Any) -> Iterator[Any]:
    """Yield all datasets that lie in the file itself, through no links but its own tree's."""
    import h5py

    groups, seen = [file["/"]], {h5py.h5o.get_info(file.id).addr}
    while groups:
        group = groups.pop()
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                continue  # it leads elsewhere
            found = group[name]
            address = h5py.h5o.get_info(found.id).addr
            if address in seen:
                continue
            seen.add(address)
            if len(seen) > _MOST_OBJECTS:
                raise BadInput(f"{path} holds more than {_MOST_OBJECTS} objects: write it anew.")
            if isinstance(found, h5py.Group):
                groups.append(found)
            elif isinstance(found, h5py.Dataset):
                yield found


def _is_elsewhere(dataset: Any) -> bool:
    """Say whether other files hold it, before its shape is asked for, which would open them."""
    return bool(dataset.is_virtual or dataset.external)


def _pictures(path: Path, inside: list[Any], outside: list[str]) -> Any:
    """Return the one dataset of pictures, all of which is in the file and can be read."""
    found = [each for each in inside if _is_pictures(each)]
    if len(found) == 1:
        _check_storage(path, found[0])
        return found[0]
    if found:
        there = ", ".join(shown(each.name) for each in found[:5])
        raise BadInput(
            f"{path} holds {len(found)} datasets of pictures ({there}): copy the one that is meant "
            "into a file of its own."
        )
    but = f"; what other files hold is not followed ({', '.join(outside[:5])})" if outside else ""
    raise BadInput(
        f"{path} holds no dataset of pictures, uint8 of shape (n, 3, h, w) or (n, h, w, 3){but}: "
        "save them so, in this file."
    )


def _is_pictures(dataset: Any) -> bool:
    shape: tuple[int, ...] = dataset.shape or ()
    is_so = len(shape) == 4 and 3 in (shape[1], shape[3]) and all(shape)
    return is_so and dataset.dtype == np.uint8


def _check_storage(path: Path, dataset: Any) -> None:
    """Refuse filters that are not known, and what unpacks to far more than is stored."""
    name, plist = shown(dataset.name), dataset.id.get_create_plist()
    filters = {plist.get_filter(number)[0] for number in range(plist.get_nfilters())}
    if filters - _FILTERS:
        raise BadInput(
            f"{path}: {name} is packed by the filter {min(filters - _FILTERS)}, a plug-in, which "
            "is not loaded: pack it anew with gzip (h5repack -f GZIP=4)."
        )
    stored = min(dataset.id.get_storage_size(), path.stat().st_size)
    if prod(dataset.shape) * dataset.dtype.itemsize > _ROOM + LARGEST_RATIO * stored:
        raise BadInput(
            f"{path}: {name} claims the shape {dataset.shape}, far more than the {stored} bytes "
            "that are stored of it: write it anew."
        )
    check_size(path, name, max(prod(dataset.shape[1:]), prod(dataset.chunks or ())))


def _loader(path: Path, dataset: Any) -> Callable[[int], Image.Image]:
    """Return what reads a picture; chunks of several are unpacked once, as :class:`Spool` does."""
    count, *shape = dataset.shape
    has_filters = dataset.id.get_create_plist().get_nfilters() > 0
    step = min(dataset.chunks[0], max(1, LARGEST_FILE // prod(shape))) if has_filters else 1

    def rows(group: int) -> Iterator[bytes]:
        return (each.tobytes() for each in dataset[group * step : (group + 1) * step])

    lengths = _lengths(count, step)
    spool = Spool(path, lengths, rows, prod(dataset.shape)) if step > 1 else None

    def load(index: int) -> Image.Image:
        try:
            pixels = dataset[index] if spool is None else np.frombuffer(spool[index] or b"", "u1")
        except _DAMAGE as error:
            raise damaged(path, error) from error
        pixels = pixels.reshape(shape)
        return Image.fromarray(pixels.transpose(1, 2, 0) if shape[0] == 3 else pixels)

    return load


def _lengths(count: int, step: int) -> list[int]:
    return [min(step, count - start) for start in range(0, count, step)]


def _labelled(path: Path, pictures: Pictures, images: Any, inside: list[Any]) -> Pictures:
    """Give pictures the labels that lie in their group."""
    found = [
        each
        for each in inside
        if PurePosixPath(each.name).parent == PurePosixPath(images.name).parent
        and PurePosixPath(each.name).name in LABELS
        and is_labels(each.shape or (), each.dtype, len(images))
    ]
    if len(found) > 1:
        there = ", ".join(shown(each.name) for each in found)
        raise BadInput(
            f"{path} holds {len(found)} datasets that could be labels ({there}): keep one, or "
            "leave all labels out (--labels none)."
        )
    for each in found:
        _check_storage(path, each)
        try:
            return pictures.labelled(labels_of(each[()]))
        except NoClasses as error:
            return replace(
                pictures, left_out=[*pictures.left_out, f"{printable(each.name)} [{error}]"]
            )
    return pictures
