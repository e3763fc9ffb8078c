"""From picture files, or from the face renderer, to a prepared data set."""

import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from facebench.data.crop import PRESETS, crop_box
from facebench.data.dataset import FORMAT, Dataset, open_dataset
from facebench.data.decode import Unreadable, decode, to_array
from facebench.data.source import open_images
from facebench.errors import BadInput
from facebench.files import atomic_folder, file_digest, write_json
from facebench.progress import Track, silent

FILTER = "pillow-lanczos"
"""The one resize filter: antialiased, on 8-bit RGB, straight from the fractional crop box."""


def prepare(
    source: Path,
    out: Path,
    *,
    crop: str = "none",
    size: int = 64,
    holdout: int | None = None,
    skip_unreadable: bool = False,
    track: Track = silent,
) -> Dataset:
    """Crop and resize every picture of `source` into the prepared data set `out`.

    Args:
        source: a folder, zip or tar of pictures, taken in the order of their names.
        out: the folder to make; one already made in the same way is kept as it is.
        crop: one of :data:`facebench.data.crop.PRESETS`.
        size: height and width in pixels.
        holdout: how many images, the last ones, generators must not train on; a tenth by default.
        skip_unreadable: leave out (and count) what cannot be decoded instead of refusing.
        track: progress display.
    """
    if crop not in PRESETS:
        raise BadInput(f"There is no crop {crop!r}; there are: {', '.join(PRESETS)}.")
    files = open_images(source)
    recipe = {
        "source": {"name": source.resolve().name, "digest": files.digest()},
        "crop": crop,
        "size": size,
        "filter": FILTER,
        "holdout": _holdout(holdout, len(files.names)),
    }
    skipped: list[str] | None = [] if skip_unreadable else None
    images = _decoded(track(files, "Preparing", len(files.names)), crop, size, skipped)
    return _write(out, recipe, images, len(files.names), lambda _: {"skipped": skipped or []})


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
        "holdout": _holdout(holdout, num),
    }

    def write_factors(folder: Path) -> dict[str, Any]:
        rows = [{"seed": each} | asdict(factors(each)) for each in seeds]
        with (folder / "factors.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return {"skipped": []}

    images = (render([each], size)[0] for each in track(seeds, "Rendering", num))
    return _write(out, recipe, images, num, write_factors)


def _holdout(holdout: int | None, count: int) -> int:
    holdout = count // 10 if holdout is None else holdout
    if not 0 <= holdout < count:
        raise BadInput(f"--holdout {holdout} leaves nothing to train on: there are {count} images.")
    return holdout


def _decoded(
    files: Iterable[tuple[str, bytes]], crop: str, size: int, skipped: list[str] | None
) -> Iterator[np.ndarray]:
    """Yield each file's pixels; what cannot be decoded goes to `skipped`, or is an error."""
    for name, data in files:
        try:
            image = decode(name, data)
        except Unreadable as error:
            if skipped is None:
                way_out = "--skip-unreadable leaves such files out"
                raise Unreadable(f"{str(error).rstrip('.')}; {way_out}.") from error
            skipped.append(name)
            continue
        yield to_array(_cropped(name, image, crop, size))


def _cropped(name: str, image: Image.Image, crop: str, size: int) -> Image.Image:
    try:
        box = crop_box(crop, image.width, image.height)
    except BadInput as error:
        raise BadInput(f"{name}: {error}.") from error
    return image.resize((size, size), Image.Resampling.LANCZOS, box=box)


def _write(
    out: Path,
    recipe: dict[str, Any],
    images: Iterable[np.ndarray],
    at_most: int,
    finish: Callable[[Path], dict[str, Any]],
) -> Dataset:
    """Write a data set whole or not at all; one already made by the same recipe is kept."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        return _existing(out, recipe)
    with atomic_folder(out) as folder:
        count = _write_images(folder / "images.npy", images, at_most, recipe["size"])
        last = count - recipe["holdout"]
        if last < 1:
            raise BadInput(f"Only {count} images are readable, too few to hold out the rest.")
        info = {
            "format": FORMAT,
            "count": count,
            "splits": {"train": [0, last], "holdout": [last, count]},
            "digest": file_digest(folder / "images.npy"),
        }
        write_json(folder / "dataset.json", info | recipe | finish(folder))
    return open_dataset(out)


def _existing(out: Path, recipe: dict[str, Any]) -> Dataset:
    if out.is_dir() and (out / "dataset.json").is_file():
        dataset = open_dataset(out)
        if all(dataset.info.get(key) == value for key, value in recipe.items()):
            return dataset
    raise BadInput(f"{out} exists and was made otherwise: name another folder, or remove it.")


def _write_images(path: Path, images: Iterable[np.ndarray], at_most: int, size: int) -> int:
    """Write images straight to disk, for a data set may be larger than memory; return how many."""
    shape = (3, size, size)
    array = np.lib.format.open_memmap(path, "w+", np.uint8, (at_most, *shape))
    count = 0
    for image in images:
        array[count] = image
        count += 1
    array.flush()
    if count < at_most:
        partial = path.with_suffix(".partial")
        np.lib.format.open_memmap(partial, "w+", np.uint8, (count, *shape))[:] = array[:count]
        partial.replace(path)
    return count
