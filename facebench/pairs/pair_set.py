"""Pairs of pictures: a source, and the target that is the true answer to it.

A set of pairs is a folder of ordinary pictures, paired by their names without the ending:
``DIR/sources/a.png`` and ``DIR/targets/a.jpg``. Where it is split, these two are in ``DIR/train``
and in ``DIR/holdout``. ``DIR/pairs.json``, which ``facebench data pairs`` writes, names the task.
"""

from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Literal

from facebench.errors import BadInput
from facebench.files import read_json
from facebench.pairs.named_pictures import NamedPictures, named_pictures, told
from facebench.sampler import Images
from facebench.samplers.picture_set import Looks
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
    looks: Looks = field(default_factory=lambda: Looks({}, {}))
    """What the targets' files are like."""
    content: str = ""
    """The digest of the targets' files."""
    converted: int = 0
    """How many of all are turned by EXIF, or laid over white where they are transparent."""

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
    names = _paired(home, *sides)
    looks = [side.looks(names) for side in sides]
    sources, targets = (
        side.load(names, max(seen.sizes, key=seen.sizes.__getitem__))
        for side, seen in zip(sides, looks, strict=True)
    )
    return PairSet(
        sources,
        targets,
        tuple(names),
        folder,
        part,
        _task(folder),
        left_out=tuple(name for side in sides for name in side.left_out),
        looks=looks[1],
        content=sides[1].files.digest(),
        converted=sum(seen.converted for seen in looks),
    )


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


def _paired(home: Path, sources: NamedPictures, targets: NamedPictures) -> list[str]:
    """Return the names in order, or raise BadInput for those that are on one side only."""
    for these, others, side, other in (
        (sources, targets, SOURCES, TARGETS),
        (targets, sources, TARGETS, SOURCES),
    ):
        if lone := sorted(these.names - others.names):
            unread = [file for file in others.left_out if file.startswith(f"{lone[0]}.")]
            but = f" ({unread[0]} is left out)" if unread else ""
            raise BadInput(
                f"{home}: {told(lone)} in {side} and not in {other}{but}, and pairs go by name "
                "without the ending: add what is missing, or take out what is too much."
            )
    return sorted(sources.names)


def _task(folder: Path) -> str:
    """Return what ``pairs.json`` says that the task is, where there is one."""
    about = folder / ABOUT
    if not about.is_file():
        return UNTOLD
    match read_json(about):
        case {"format": 1, "task": str(task)} if task and task.isprintable() and len(task) < 100:
            return task
    raise BadInput(f"{about} does not say which task it is of: make it with facebench data pairs.")
