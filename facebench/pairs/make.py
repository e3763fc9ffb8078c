"""Pairs made of a prepared data set, written whole or not at all."""

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from facebench.data.dataset import Dataset, open_dataset
from facebench.errors import BadInput
from facebench.files import atomic_folder, read_json, tree_digest, write_json
from facebench.pairs.tasks import options_of, sources_of
from facebench.progress import Track, silent
from facebench.sampler import Images

FORMAT = 1
DESCRIPTION = "pairs.json"
_AT_ONCE = 250  # images in memory
_PLAIN = re.compile(r"\w[\w .+-]{0,99}")
"""Names that every disk can hold."""
_COMPRESSION = 1  # of 0 to 9: a third of the time of Pillow's own 6, and a tenth more bytes


def make_pairs(
    data: Path,
    out: Path,
    task: str,
    *,
    seed: int = 0,
    track: Track = silent,
    **given: int | float | str | None,
) -> Mapping[str, int]:
    """Make a source of every image of a prepared data set; return how many pairs each split has.

    `out` gets ``train/`` and ``holdout/``, each with ``sources/`` and ``targets/`` of PNG by the
    same names, and ``pairs.json``, which says how they were made. A split without images has none.

    Args:
        data: the folder of the data set.
        out: the folder to make; one already made in the same way is kept as it is.
        task: a name of :data:`facebench.pairs.tasks.TASKS`.
        seed: of what is random.
        track: progress display.
        given: options of the task, None where they are not given.
    """
    dataset = open_dataset(data).by_content()
    options = options_of(task, given, seed)
    splits = {name: part for name in ("train", "holdout") if len(part := dataset.split(name))}
    count = {name: len(part) for name, part in splits.items()}
    recipe = {
        "format": FORMAT,
        "task": task,
        "options": options,
        "data": dataset.key,
        "size": dataset.size,
        "count": count,
    }
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        _check_existing(out, recipe)
        return count
    sources_of(task, dataset.sample([0]), [0], options)  # refused now rather than half-way
    names = names_of(dataset)
    with atomic_folder(out) as folder:
        for name, part in splits.items():
            starts = range(0, len(part), _AT_ONCE)
            for start in track(starts, f"Making {name} pairs", len(starts)):
                rows = range(start, min(start + _AT_ONCE, len(part)))
                places, targets = [part.first + row for row in rows], part.sample(rows)
                sources = sources_of(task, targets, places, options)
                for kind, images in (("sources", sources), ("targets", targets)):
                    _write(folder / name / kind, [names[place] for place in places], images)
        write_json(folder / DESCRIPTION, recipe | {"digest": _digests(folder, count)})
    return count


def names_of(dataset: Dataset) -> list[str]:
    """Return what the pairs are called: as the pictures were, without ending, else by number.

    Names that are not of plain letters, or not all different on every disk, are not taken.
    """
    listed = dataset.folder / "files.txt"
    lines = listed.read_text("utf-8", "replace").split("\n")[:-1] if listed.is_file() else []
    stems = [PurePosixPath(line).stem for line in lines]
    are_different = len({stem.casefold() for stem in stems}) == len(dataset)
    if len(stems) == len(dataset) and are_different and all(map(_PLAIN.fullmatch, stems)):
        return stems
    return [f"{number:06d}" for number in range(len(dataset))]


def _check_existing(out: Path, recipe: Mapping[str, Any]) -> None:
    """Refuse what is there unless it is the same, made by the same recipe."""
    there = read_json(out / DESCRIPTION) if (out / DESCRIPTION).is_file() else None
    made = there if isinstance(there, dict) else {}
    if any(made.get(key) != value for key, value in recipe.items()):
        raise BadInput(f"{out} exists and was made otherwise: name another folder, or remove it.")
    if made.get("digest") != _digests(out, recipe["count"]):
        raise BadInput(
            f"{out} was changed after it was made (its sha256 is not that in {DESCRIPTION}): "
            "remove it and make the pairs again."
        )


def _digests(folder: Path, splits: Mapping[str, int]) -> dict[str, str]:
    return {name: tree_digest(folder / name) for name in splits}


def _write(folder: Path, names: list[str], images: Images) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, pixels in zip(names, images.transpose(0, 2, 3, 1), strict=True):
        picture = Image.fromarray(np.ascontiguousarray(pixels))
        picture.save(folder / f"{name}.png", compress_level=_COMPRESSION)
