"""Pictures of every kind, told by its content, and the order in which they are drawn."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from zipfile import is_zipfile

import numpy as np
from jaxtyping import Int64, UInt8
from PIL import Image

from facebench.data import hdf5, parquet, webdataset
from facebench.data.archive import Members, open_archive
from facebench.data.arrays import is_array, is_npy, open_array, picture_of
from facebench.data.beside import Attributes
from facebench.data.dataset import is_prepared, open_dataset
from facebench.data.decode import Unreadable, decode
from facebench.data.labels import CHOICES, Labels, NoClasses, by_folder
from facebench.data.npz import is_npz, load_labels
from facebench.data.picture_files import ImageFiles, no_pictures, open_folder, plain, sorted_out
from facebench.data.picture_files import check_kind as check_kind
from facebench.data.picture_files import listed as listed
from facebench.data.source import Pictures as Pictures
from facebench.errors import BadInput
from facebench.files import ARRAY_DAMAGE, file_digest
from facebench.text import shown


def open_pictures(path: Path, labels: str = "files") -> Pictures:
    """Open whatever holds pictures.

    Args:
        path: a folder, a zip or a tar of pictures, tars in a folder (WebDataset), Parquet files,
            HDF5, a npy or npz array, or a prepared data set, of which all images are taken.
        labels: "files" for what the files say of classes, "folders" for the first folder of each
            name, "none" to ignore any.
    """
    check_kind(path)
    if labels not in CHOICES:
        raise BadInput(f"There are no labels {labels!r}; there are: {', '.join(CHOICES)}.")
    is_data_set = path.is_dir() and is_prepared(path)
    if path.is_dir() and not is_data_set:
        return _of_folder(path, labels)
    open_file = _of_dataset if is_data_set else _opener(path)
    if open_file is None:
        found, is_tar = open_archive(path), not is_zipfile(path)
        return _of_files(path, found, sorted_out(found), labels, are_samples=is_tar)
    return open_file(path, _with_labels(path, labels))


def _with_labels(path: Path, labels: str) -> bool:
    if labels == "folders":
        raise BadInput(
            f"{path} has no folders that could be classes: leave out --labels folders, which is "
            "for folders, zips and tars of pictures."
        )
    return labels == "files"


def _opener(path: Path) -> Callable[[Path, bool], Pictures] | None:
    """Return what opens a file that is no archive, None for one that may be."""
    if parquet.is_parquet(path):
        return parquet.open_parquet
    if hdf5.is_hdf5(path):
        return hdf5.open_hdf5
    return _of_array if is_array(path) or is_npy(path) or is_npz(path) else None


def _of_dataset(path: Path, with_labels: bool) -> Pictures:
    dataset = open_dataset(path)
    known = dataset.every_attribute
    pictures = replace(
        _of_pixels(path / "images.npy", dataset.images),
        people=dataset.people,
        attributes=None if known is None else Attributes(dataset.info["attributes"], known),
    )
    if dataset.labels is None or not with_labels:
        return pictures
    return pictures.labelled([dataset.classes[number] for number in dataset.labels.tolist()])


def _of_array(path: Path, with_labels: bool) -> Pictures:
    array = open_array(path)
    pictures = _of_pixels(path, array)
    if is_npy(path) or not with_labels:
        return pictures
    try:
        return pictures.labelled(load_labels(path, len(array)))
    except NoClasses as error:
        return replace(pictures, left_out=[f"labels [{error}]"])
    except ARRAY_DAMAGE as error:
        raise BadInput(
            f"{path} has labels that cannot be read ({shown(str(error))}): save it again, or leave "
            "all labels out (--labels none)."
        ) from error


def _of_pixels(path: Path, array: UInt8[np.ndarray, "n 3 h w"]) -> Pictures:
    names = [f"{path.name}[{index}]" for index in range(len(array))]

    def load(index: int) -> Image.Image:
        return Image.fromarray(array[index].transpose(1, 2, 0))

    return Pictures(names, load, partial(file_digest, path), array=array)


def _of_folder(path: Path, labels: str) -> Pictures:
    """Open a folder of pictures; one of none, but of parts of a data set, by these."""
    found = open_folder(path)
    files = sorted_out(found)
    if files.names:
        return _of_files(path, found, files, labels)
    tables, shards = (sorted_out(found, each.SUFFIXES) for each in (parquet, webdataset))
    if tables.names:
        opened = parquet.open_tables(path, path, tables.names, _with_labels(path, labels))
        return replace(opened, left_out=[*opened.left_out, *tables.left_out])
    if shards.names:
        _with_labels(path, labels)
        inside = webdataset.open_shards(path, shards.names)
        opened = _of_files(path, inside, sorted_out(inside), labels, are_samples=True)
        return replace(opened, left_out=[*opened.left_out, *shards.left_out])
    return _of_files(path, found, files, labels)


def _of_files(
    path: Path, found: Members, files: ImageFiles, labels: str, *, are_samples: bool = False
) -> Pictures:
    """Open the picture files among others; of none, the arrays, each of them a picture."""
    decoded = decode
    if not files.names:
        files, decoded = _arrays(path, found, files), picture_of

    def read(index: int) -> bytes:
        return files.read(files.names[index])

    def load(index: int) -> Image.Image:
        return decoded(shown(files.names[index]), read(index))

    names = [plain(name) for name in files.names]
    pictures = Pictures(names, load, files.digest, files.left_out)
    if decoded is decode:
        pictures = replace(pictures, read=read)
    if labels == "folders":
        return pictures.labelled(by_folder(path, names))
    return _labelled(path, pictures, found, files, are_samples) if labels == "files" else pictures


def _arrays(path: Path, found: Members, files: ImageFiles) -> ImageFiles:
    """Return the single pictures in ``.npy`` that EDM's archives may hold, but no latents."""
    arrays = sorted_out(found, frozenset({".npy"}))
    if not arrays.names:
        raise no_pictures(path, files)
    try:
        picture_of(shown(arrays.names[0]), arrays.read(arrays.names[0]))
    except Unreadable as error:
        raise BadInput(
            f"{path} holds no pictures but arrays, and of these {str(error).rstrip('.')}: name the "
            f"pictures that it was made of, or give {path / plain(arrays.names[0])}, if it is all "
            "of them."
        ) from error
    return arrays


def _labelled(
    path: Path, pictures: Pictures, found: Members, files: ImageFiles, are_samples: bool
) -> Pictures:
    """Give pictures the labels that lie beside them; the files that say them are not left out."""
    told = Labels(path)
    told.add_files(found)
    if are_samples:
        webdataset.add_labels(told, found, files.names)
    labels = told.of(files.names)
    used = {plain(name) for name in told.used} if labels else set()
    why_not = {plain(name): "its labels are no classes" for name in told.no_classes}
    left_out = [
        f"{name} [{why_not[name]}]" if name in why_not else name
        for name in pictures.left_out
        if name not in used
    ]
    return replace(pictures, left_out=left_out).labelled(labels)


def random_order(count: int, seed: int = 0) -> Int64[np.ndarray, " n"]:
    """Return the numbers below `count` in a random order that stays: by `seed` alone.

    They are sorted by the first bits of NumPy's Philox (Salmon et al. 2011), which NumPy promises
    to keep as they are; of its shuffles it does not.

    >>> random_order(5).tolist()
    [0, 2, 1, 4, 3]
    """
    return np.argsort(np.random.Philox(key=seed).random_raw(count), kind="stable")
