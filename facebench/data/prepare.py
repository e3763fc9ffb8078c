"""From picture files to a prepared data set."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool
from PIL import Image

from facebench.data import beside
from facebench.data.crop import PRESETS, crop_box
from facebench.data.dataset import HOLDOUT_BY, Dataset
from facebench.data.decode import Unreadable, to_array
from facebench.data.holdout import held_out, last_in_order, people_held_out
from facebench.data.known import Known, known_of
from facebench.data.paint import synthesize as synthesize
from facebench.data.pictures import open_pictures, random_order
from facebench.data.write import BY_NAME, write_dataset
from facebench.errors import BadInput
from facebench.files import write_text
from facebench.progress import Track, silent
from facebench.text import printable, shown

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
    seed: int = 0,
    in_order: bool = False,
    labels: str = "files",
    identities: str | Path | None = None,
    attributes: Path | None = None,
    holdout_by: str = "image",
    track: Track = silent,
) -> Dataset:
    """Crop and resize every picture of `source` into the prepared data set `out`.

    The images are put in random order, so that those held out, and the first so many of a split,
    are a random sample of all; ``files.txt`` says which picture each one was, and
    :mod:`facebench.data.beside` what else is kept of it.

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
        identities: a list of who each picture shows, or "folders" where each has a folder.
        attributes: a list of what is to be seen, as CelebA's.
        holdout_by: "image", or "person" to hold out only people who are not in training images.
        track: progress display.
    """
    if crop not in PRESETS:
        raise BadInput(f"There is no crop {crop!r}; there are: {', '.join(PRESETS)}.")
    pictures = open_pictures(source, labels)
    count = len(pictures.names)
    asked = held_out(holdout, count)
    known = known_of(pictures, source, identities, attributes)
    order = list(range(count)) if in_order else random_order(count, seed).tolist()
    is_held = _of_other_people(holdout_by, known, asked, seed, in_order)
    if is_held is not None:
        order = last_in_order(order, is_held)
    recipe = {
        "source": {"name": printable(source.resolve().name), "digest": pictures.digest()},
        "crop": crop,
        "size": size,
        "filter": FILTER,
        "order": BY_NAME if in_order else {"seed": seed},
        **({} if labels == "files" else {"labels": labels}),
        **known.recipe(),
        **({} if is_held is None else {"holdout_by": holdout_by, "holdout_asked": asked}),
    }
    skipped: set[int] = set()

    def held(written: int) -> int:
        if is_held is None:
            return held_out(holdout, written)
        held_out(None, written)  # refuses none at all
        return sum(bool(is_held[index]) for index in order if index not in skipped)

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
        if pictures.labels is not None:
            told |= beside.write_labels(folder, [pictures.labels[i] for i in used])
        return told | known.write(folder, used)

    return write_dataset(out, recipe, held, images(), count, write_names)


def _of_other_people(
    by: str, known: Known, holdout: int, seed: int, in_order: bool
) -> Bool[np.ndarray, " n"] | None:
    """Say of which pictures the people are held out, None for a hold-out by image."""
    if by not in HOLDOUT_BY:
        raise BadInput(f"There is no hold-out by {by!r}; there are: {', '.join(HOLDOUT_BY)}.")
    if by == "image":
        return None
    if known.people is None:
        raise BadInput(
            "--holdout-by person needs to know who is shown: give --identities, a list, or "
            "folders where each person has one."
        )
    if in_order:
        raise BadInput(
            "--in-order holds out the last pictures by name, whoever they show: leave it out, or "
            "leave out --holdout-by person."
        )
    return people_held_out(known.people, holdout, seed)


def _cropped(name: str, image: Image.Image, crop: str, size: int) -> np.ndarray:
    try:
        box = crop_box(crop, image.width, image.height)
    except BadInput as error:
        raise BadInput(f"{name}: {error}.") from error
    return to_array(image.resize((size, size), Image.Resampling.LANCZOS, box=box))
