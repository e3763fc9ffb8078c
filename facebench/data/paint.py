"""From the face renderer to a prepared data set."""

import csv
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from facebench.data import beside
from facebench.data.beside import Attributes
from facebench.data.dataset import Dataset
from facebench.data.holdout import held_out
from facebench.data.write import write_dataset
from facebench.errors import BadInput
from facebench.progress import Track, silent


def synthesize(
    out: Path,
    *,
    num: int,
    size: int = 64,
    seed: int = 0,
    holdout: int | None = None,
    people: int | None = None,
    track: Track = silent,
) -> Dataset:
    """Render `num` parametric faces, seeds `seed` onwards, into the prepared data set `out`.

    What each face was drawn from is recorded in ``factors.csv``, one row per image; who it is and
    what is to be seen, as in any data set.

    Args:
        out: the folder to make; one already made in the same way is kept as it is.
        num: how many faces.
        size: height and width in pixels.
        seed: of the first person.
        holdout: how many images, the last ones, are held out; a tenth by default.
        people: how many people are shown, in turn; as many as faces by default.
        track: progress display.
    """
    from facebench.synth import another, attributes, draw

    held_out(holdout, num)  # refuses none at all
    people = num if people is None else people
    if not 0 < people <= num:
        raise BadInput(f"{people} people cannot be shown in {num} faces: give 1 to {num}.")
    who = [(seed + place % people, place // people) for place in range(num)]
    source = {"name": "synth", "first_seed": seed, "num": num}
    recipe = {
        "source": source if people == num else source | {"people": people},
        "crop": "none",
        "size": size,
        "filter": "none",
    }

    def finish(folder: Path) -> dict[str, Any]:
        faces = [another(*each) for each in who]
        keys = ("seed",) if people == num else ("seed", "picture")
        rows = [
            dict(zip(keys, each, strict=False)) | asdict(face)
            for each, face in zip(who, faces, strict=True)
        ]
        _write_rows(folder / "factors.csv", rows)
        seen = [attributes(face) for face in faces]
        values = np.array([list(each.values()) for each in seen], np.int8)
        return (
            {"skipped": []}
            | beside.write_people(folder, np.array([person for person, _ in who], np.int64))
            | beside.write_attributes(folder, Attributes(list(seen[0]), values))
        )

    images = (draw(another(*each), size) for each in track(who, "Rendering", num))
    return write_dataset(out, recipe, partial(held_out, holdout), images, num, finish)


def _write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
