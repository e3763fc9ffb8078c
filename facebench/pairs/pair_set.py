"""Pairs of pictures: a source, and the target that is the true answer to it.

A set of pairs is a folder of ordinary pictures, paired by their names without the ending:
``DIR/sources/a.png`` and ``DIR/targets/a.jpg``. Where it is split, these two are in ``DIR/train``
and in ``DIR/holdout``. ``DIR/pairs.json``, which ``facebench data pairs`` writes, names the task.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np

from facebench.data.decode import Unreadable, decode, glance, to_array
from facebench.data.picture_files import ImageFiles, open_images
from facebench.errors import BadInput
from facebench.files import read_json
from facebench.sampler import Images
from facebench.text import printable, shown
from facebench.translator import Answers

SOURCES, TARGETS, ABOUT = "sources", "targets", "pairs.json"
FORMAT = 1
"""Of ``pairs.json``."""
UNTOLD = "image to image"
"""The task of pairs that do not say theirs."""

PairSplit = Literal["train", "holdout"]


@dataclass(frozen=True, eq=False)
class PairSet:
    """Sources and targets, in the order of their names; both are held in memory."""

    sources: Images
    """``uint8`` RGB (n, 3, h, w)."""
    targets: Answers
    """``uint8`` RGB (n, 3, H, W), of the sources' size or of another."""
    names: tuple[str, ...]
    folder: Path
    part: str = "all"
    """Which split it is: "train" or "holdout", or "all" where there is none."""
    task: str = UNTOLD
    """As ``pairs.json`` calls it."""
    left_out: tuple[str, ...] = ()
    """What else lies among the pictures."""

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def digest(self) -> str:
        """The sha256 of names and pixels."""
        shapes = self.sources.shape, self.targets.shape
        digest = sha256(repr((self.names, *shapes)).encode())
        for images in (self.sources, self.targets):
            digest.update(images.tobytes())
        return digest.hexdigest()


def open_pairs(folder: Path, split: PairSplit) -> PairSet:
    """Open the `split` of the pairs in `folder`, or all where they are not split.

    Raises:
        BadInput: for a folder that holds no pairs, and for pictures that are not paired, cannot be
            read, or are not of one size.
    """
    folder = Path(folder).expanduser()
    home, part = _place(folder, split)
    sides = [named_pictures(home / side) for side in (SOURCES, TARGETS)]
    names = _paired(home, *(side.names for side in sides))
    sources, targets = (side.load(names) for side in sides)
    left_out = tuple(name for side in sides for name in side.left_out)
    return PairSet(sources, targets, tuple(names), folder, part, _task(folder), left_out)


def _place(folder: Path, split: PairSplit) -> tuple[Path, str]:
    """Return the folder of sources and targets, and which split that is."""
    if not folder.is_dir():
        raise BadInput(f"There is no folder {folder}: give one with {SOURCES} and {TARGETS}.")
    if (folder / split).is_dir():
        return folder / split, split
    if any((folder / side).is_dir() for side in (SOURCES, TARGETS)):
        return folder, "all"
    other = "train" if split == "holdout" else "holdout"
    if (folder / other).is_dir():
        raise BadInput(
            f"{folder} has the split {other} and no {split}: make it with facebench data pairs, or "
            f"give {folder / other} for these pairs."
        )
    raise BadInput(
        f"{folder} holds no pairs: put pictures into {folder / SOURCES} and, under the same names, "
        f"into {folder / TARGETS}, or make some with facebench data pairs."
    )


@dataclass(frozen=True, eq=False)
class NamedPictures:
    """The pictures of a folder or an archive, by their names without the ending."""

    path: Path
    files: ImageFiles
    by_name: Mapping[str, str]

    @property
    def names(self) -> set[str]:
        """Their names."""
        return {*self.by_name}

    @property
    def left_out(self) -> Sequence[str]:
        """What else lies there."""
        return self.files.left_out

    def load(self, names: Sequence[str], size: tuple[int, int] | None = None) -> Answers:
        """Return the pictures so named, ``uint8`` RGB (n, 3, h, w).

        Raises:
            BadInput: for a picture that cannot be read, and one of another size than most are or,
                where it is given, than `size`, height and width.
        """
        height, width = size or self._require_one_size(names)
        images = np.empty((len(names), 3, height, width), np.uint8)
        for image, name in zip(images, names, strict=True):
            image[:] = self.picture(name, (height, width))
        return images

    def picture(self, name: str, size: tuple[int, int]) -> np.ndarray:
        """Return the picture called `name`, ``uint8`` RGB (3, h, w), if it is of that `size`."""
        file = self.by_name[name]
        try:
            picture = to_array(decode(shown(file), self.files.read(file)))
        except Unreadable as error:
            raise self._unreadable(error) from error
        if picture.shape[1:] != size:
            raise self._odd(file, (picture.shape[1], picture.shape[2]), size)
        return picture

    def _require_one_size(self, names: Sequence[str]) -> tuple[int, int]:
        sizes = {file: self._size(file) for file in map(self.by_name.__getitem__, names)}
        (usual, _), *_ = Counter(sizes.values()).most_common(1)
        for file, size in sizes.items():
            if size != usual:
                raise self._odd(file, size, usual)
        return usual

    def _size(self, file: str) -> tuple[int, int]:
        try:
            seen = glance(shown(file), self.files.read(file))
        except Unreadable as error:
            raise self._unreadable(error) from error
        return seen.height, seen.width

    def _unreadable(self, error: Unreadable) -> BadInput:
        what = str(error).rstrip(".")
        return BadInput(f"{self.path}: {what}: mend it, or take it out with what it is paired to.")

    def _odd(self, file: str, size: tuple[int, int], usual: tuple[int, int]) -> BadInput:
        this, others = (f"{width}×{height}" for height, width in (size, usual))
        return BadInput(
            f"{self.path}: {shown(file)} is of {this} pixels, where {others} are needed: bring all "
            "to one size, or take it out with what it is paired to."
        )


def named_pictures(path: Path) -> NamedPictures:
    """Open a folder or an archive of pictures, or raise BadInput.

    A name is the file's way below `path`, without the ending.
    """
    files = open_images(path)
    by_name: dict[str, str] = {}
    for file in files.names:
        name = printable(str(PurePosixPath(file).with_suffix("")))
        if name in by_name:
            raise BadInput(
                f"{path} has two pictures called {shown(name)} ({shown(by_name[name])} and "
                f"{shown(file)}), and pairs go by name: take one out."
            )
        by_name[name] = file
    return NamedPictures(path, files, by_name)


def _paired(home: Path, sources: set[str], targets: set[str]) -> list[str]:
    """Return the names in order, or raise BadInput for those that are on one side only."""
    for these, others, side, other in (
        (sources, targets, SOURCES, TARGETS),
        (targets, sources, TARGETS, SOURCES),
    ):
        if lone := sorted(these - others):
            raise BadInput(
                f"{home}: {told(lone)} in {side} and not in {other}, and pairs go by name without "
                "the ending: add what is missing, or take out what is too much."
            )
    return sorted(sources)


def told(names: Sequence[str]) -> str:
    """Return names in a sentence, with "is" or "are".

    >>> told(["a"]), told(["a", "b", "c", "d"])
    ('a is', 'a, b, c and 1 more are')
    """
    return " ".join(_told(names))


def _told(names: Sequence[str]) -> Iterator[str]:
    yield ", ".join(map(shown, names[:3]))
    if len(names) > 3:
        yield f"and {len(names) - 3} more"
    yield "is" if len(names) == 1 else "are"


def _task(folder: Path) -> str:
    """Return what ``pairs.json`` says that the task is, where there is one."""
    about = folder / ABOUT
    if not about.is_file():
        return UNTOLD
    match read_json(about):
        case {"format": 1, "task": str(task)} if task and task.isprintable() and len(task) < 100:
            return task
    raise BadInput(f"{about} does not say which task it is of: make it with facebench data pairs.")
