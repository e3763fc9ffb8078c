"""From picture files, or from the face renderer, to a prepared data set."""

import csv
import errno
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image

from facebench.data.crop import PRESETS, crop_box
from facebench.data.dataset import FORMAT, Dataset, open_dataset
from facebench.data.decode import Unreadable, to_array
from facebench.data.labels import in_order_of_name
from facebench.data.pictures import open_pictures, random_order
from facebench.errors import BadInput
from facebench.files import atomic_folder, file_digest, write_json, write_text
from facebench.progress import Track, silent
from facebench.text import printable, shown

FILTER = "pillow-lanczos"
"""The one resize filter: antialiased, on 8-bit RGB, straight from the fractional crop box."""
_BY_NAME = "names"


def prepare(
    source: Path,
    out: Path,
    *,
    crop: str = "none",
    size: int = 64,
    holdout: int | None = None,
    skip_unreadable: bool = False,
    seed: int = 0,
    in_order: bool = False,
    labels: str = "files",
    track: Track = silent,
) -> Dataset:
    """Crop and resize every picture of `source` into the prepared data set `out`.

    The images are put in random order, so that those held out, and the first so many of a split,
    are a random sample of all; ``files.txt`` says which picture each one was, ``labels.npy`` of
    which class, where there are any.

    Args:
        source: whatever :func:`facebench.data.pictures.open_pictures` opens.
        out: the folder to make; one already made in the same way is kept as it is.
        crop: one of :data:`facebench.data.crop.PRESETS`.
        size: height and width in pixels.
        holdout: how many images, the last ones, generators must not train on; a tenth by default.
        skip_unreadable: leave out (and count) what cannot be decoded instead of refusing.
        seed: of the random order.
        in_order: keep the order of the names (of an array, its own) instead, for data whose
            official split goes by it.
        labels: where classes come from, see :func:`facebench.data.pictures.open_pictures`.
        track: progress display.
    """
    if crop not in PRESETS:
        raise BadInput(f"There is no crop {crop!r}; there are: {', '.join(PRESETS)}.")
    pictures = open_pictures(source, labels)
    count = len(pictures.names)
    order = range(count) if in_order else random_order(count, seed).tolist()
    recipe = {
        "source": {"name": printable(source.resolve().name), "digest": pictures.digest()},
        "crop": crop,
        "size": size,
        "filter": FILTER,
        "order": _BY_NAME if in_order else {"seed": seed},
        **({} if labels == "files" else {"labels": labels}),
    }
    skipped: set[int] = set()

    def images() -> Iterator[np.ndarray]:
        for index in track(order, "Preparing", count):
            try:
                image = pictures.load(index)
            except Unreadable as error:
                if not skip_unreadable:
                    way_out = "--skip-unreadable leaves such files out"
                    raise Unreadable(f"{str(error).rstrip('.')}; {way_out}.") from error
                skipped.add(index)
                continue
            yield _cropped(shown(pictures.names[index]), image, crop, size)

    def write_names(folder: Path) -> dict[str, Any]:
        used = [index for index in order if index not in skipped]
        write_text(folder / "files.txt", "".join(f"{pictures.names[i]}\n" for i in used))
        left_out = list(pictures.left_out)
        told = {"skipped": sorted(pictures.names[i] for i in skipped), "left_out": left_out}
        if pictures.labels is None:
            return told
        return told | _write_labels(folder / "labels.npy", [pictures.labels[i] for i in used])

    return _write(out, recipe, holdout, images(), count, write_names)


def synthesize(
    out: Path,
    *,
    num: int,
    size: int = 64,
    seed: int = 0,
    holdout: int | None = None,
    track: Track = silent,
) -> Dataset:
    """Render `num` parametric faces, seeds `seed` onwards, into the prepared data set `out`.

    What each face was drawn from is recorded in ``factors.csv``, one row per image.
    """
    from facebench.synth import factors, render

    seeds = range(seed, seed + num)
    recipe = {
        "source": {"name": "synth", "first_seed": seed, "num": num},
        "crop": "none",
        "size": size,
        "filter": "none",
    }

    def write_factors(folder: Path) -> dict[str, Any]:
        rows = [{"seed": each} | asdict(factors(each)) for each in seeds]
        with (folder / "factors.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return {"skipped": []}

    images = (render([each], size)[0] for each in track(seeds, "Rendering", num))
    return _write(out, recipe, holdout, images, num, write_factors)


def _holdout(holdout: int | None, count: int) -> int:
    """Return how many of `count` images are held out, or refuse to hold out so many."""
    if count < 1:
        raise BadInput("There are 0 images: give at least one that can be read.")
    holdout = count // 10 if holdout is None else holdout
    if not 0 <= holdout <= count:
        raise BadInput(
            f"--holdout {holdout} is not possible, as there are {count} images: give --holdout "
            f"from 0 to {count}."
        )
    return holdout


def _cropped(name: str, image: Image.Image, crop: str, size: int) -> np.ndarray:
    try:
        box = crop_box(crop, image.width, image.height)
    except BadInput as error:
        raise BadInput(f"{name}: {error}.") from error
    return to_array(image.resize((size, size), Image.Resampling.LANCZOS, box=box))


def _write(
    out: Path,
    recipe: dict[str, Any],
    holdout: int | None,
    images: Iterable[np.ndarray],
    at_most: int,
    finish: Callable[[Path], dict[str, Any]],
) -> Dataset:
    """Write a data set whole or not at all; one already made by the same recipe is kept."""
    _holdout(holdout, at_most)  # refused now rather than after an hour
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        return _existing(out, recipe, holdout)
    size = recipe["size"]
    with _room_for(out, at_most, size), atomic_folder(out) as folder:
        count = _write_images(folder / "images.npy", images, at_most, size)
        last = count - _holdout(holdout, count)
        info = {
            "format": FORMAT,
            "count": count,
            "splits": {"train": [0, last], "holdout": [last, count]},
            "digest": file_digest(folder / "images.npy"),
            "holdout": count - last,
        }
        write_json(folder / "dataset.json", info | recipe | finish(folder))
    return open_dataset(out)


def _write_labels(path: Path, labels: list[str]) -> dict[str, Any]:
    """Write the number of each label's class; return the classes."""
    classes = in_order_of_name(labels)
    numbers = {name: number for number, name in enumerate(classes)}
    np.save(path, np.array([numbers[label] for label in labels], np.int64))
    return {"classes": classes, "labels_digest": file_digest(path)}


def _existing(out: Path, recipe: dict[str, Any], holdout: int | None) -> Dataset:
    if out.is_dir() and (out / "dataset.json").is_file():
        dataset = open_dataset(out)
        there = {"order": _BY_NAME} | dataset.info  # as it was before there was another
        wanted = recipe | {"holdout": len(dataset) // 10 if holdout is None else holdout}
        if all(there.get(key) == value for key, value in wanted.items()):
            dataset.verify()
            return dataset
    raise BadInput(f"{out} exists and was made otherwise: name another folder, or remove it.")


@contextmanager
def _room_for(out: Path, count: int, size: int) -> Iterator[None]:
    """Say in a sentence that the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise BadInput(
            f"{out} cannot be written ({error.strerror}): make room for {count} images of "
            f"{size}×{size}, {-(-count * 3 * size * size >> 20)} MiB, or name a folder elsewhere."
        ) from error


def _write_images(path: Path, images: Iterable[np.ndarray], at_most: int, size: int) -> int:
    """Write images straight to disk, for a data set may be larger than memory; return how many."""
    with path.open("wb") as stream:
        _write_header(stream, at_most, size)
        _reserve(stream, stream.tell() + at_most * 3 * size * size)
        count = 0
        for image in images:
            stream.write(np.ascontiguousarray(image).data)
            count += 1
        stream.truncate()
        stream.seek(0)
        _write_header(stream, count, size)  # of equal length: NumPy leaves room for the number
    return count


def _write_header(stream: IO[bytes], count: int, size: int) -> None:
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, 3, size, size)}
    np.lib.format.write_array_header_1_0(stream, header)


def _reserve(stream: IO[bytes], length: int) -> None:
    """Take the room now: a full disk is told at once, not after an hour."""
    stream.flush()
    try:
        os.posix_fallocate(stream.fileno(), 0, length)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):  # not every file system can
            raise
