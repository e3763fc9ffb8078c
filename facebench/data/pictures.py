"""The pictures of a folder, a zip, a tar or an array, by name or in an order that stays."""

import mimetypes
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Int64
from PIL import Image

from facebench.data.archive import Members, check_size, open_archive
from facebench.data.arrays import is_array, open_array
from facebench.data.decode import decode, suffixes
from facebench.errors import BadInput
from facebench.files import file_digest
from facebench.folder_walk import tree
from facebench.text import name_bytes, printable, shown

_SYSTEM = {"thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "__macosx"}
"""What systems leave in people's folders, besides files whose names begin with a dot."""
_NAMED = 3  # files in a message


@dataclass(frozen=True)
class Pictures:
    """The pictures of one source, in its own order."""

    names: Sequence[str]
    """One of each, printable."""
    load: Callable[[int], Image.Image]
    """Return a picture as 8-bit RGB, or raise :class:`facebench.data.decode.Unreadable`."""
    digest: Callable[[], str]
    """The sha256 of all of them and, of files, of their names."""
    left_out: Sequence[str] = ()
    """What else lies there, printable."""
    read: Callable[[int], bytes] | None = None
    """Return a picture's file as it is; None where the source is an array of pixels."""


def open_pictures(path: Path) -> Pictures:
    """Open a folder, a zip or a tar of pictures, or a npy or npz array of them."""
    check_kind(path)
    return _of_array(path) if is_array(path) else _of_files(path)


def _of_array(path: Path) -> Pictures:
    array = open_array(path)
    names = [f"{path.name}[{index}]" for index in range(len(array))]

    def load(index: int) -> Image.Image:
        return Image.fromarray(array[index].transpose(1, 2, 0))

    return Pictures(names, load, partial(file_digest, path))


def _of_files(path: Path) -> Pictures:
    files = open_images(path)

    def load(index: int) -> Image.Image:
        return decode(shown(files.names[index]), files.read(files.names[index]))

    def read(index: int) -> bytes:
        return files.read(files.names[index])

    names = [plain(name) for name in files.names]
    return Pictures(names, load, files.digest, files.left_out, read=read)


def random_order(count: int, seed: int = 0) -> Int64[np.ndarray, " n"]:
    """Return the numbers below `count` in a random order that stays: by `seed` alone.

    They are sorted by the first bits of NumPy's Philox (Salmon et al. 2011), which NumPy promises
    to keep as they are; of its shuffles it does not.

    >>> random_order(5).tolist()
    [0, 2, 1, 4, 3]
    """
    return np.argsort(np.random.Philox(key=seed).random_raw(count), kind="stable")


@dataclass(frozen=True)
class ImageFiles:
    """The picture files of a folder or an archive: their sorted names and how to read one."""

    names: tuple[str, ...]
    read: Callable[[str], bytes]
    left_out: tuple[str, ...] = ()
    """All else that lies there but what systems leave: printable names, in brackets why not."""

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        """Yield every file's name and bytes."""
        return ((name, self.read(name)) for name in self.names)

    def digest(self) -> str:
        """Return a sha256 over names and contents: equal for a folder and a zip of it."""
        total = sha256()
        for name, data in self:
            last = name_bytes(PurePosixPath(name).name)
            total.update(last + f"\0{sha256(data).hexdigest()}\n".encode())
        return total.hexdigest()


def open_images(path: Path) -> ImageFiles:
    """Open the folder, zip or tar at `path`, or raise :class:`BadInput`."""
    check_kind(path)
    files = _sorted_out(_folder(path) if path.is_dir() else open_archive(path))
    if not files.names:
        but = f", only {listed(files.left_out)}" if files.left_out else ""
        raise BadInput(
            f"{path} holds no pictures ({', '.join(sorted(suffixes()))}){but}: give files so "
            "named, or one .npy or .npz array of all."
        )
    return files


def listed(names: Sequence[str]) -> str:
    """Return a count and the first of `names`, for a message.

    >>> listed(["a.heic", "b.txt", "c.txt", "d.txt"])
    '4 other files (a.heic, b.txt, c.txt, …)'
    """
    first = ", ".join(map(shown, names[:_NAMED])) + (", …" if len(names) > _NAMED else "")
    return f"{len(names)} other file{'s' if len(names) > 1 else ''} ({first})"


def check_kind(path: Path) -> None:
    """Refuse what is not there, and what may never end."""
    if not path.exists():
        raise BadInput(f"There is no file or folder {path}: check the path.")
    if not (path.is_dir() or path.is_file()):
        raise BadInput(f"{path} is a pipe, a socket or a device: save it to a file and name that.")


def _folder(path: Path) -> Members:
    found = tree(path)

    def read(name: str) -> bytes:
        try:
            check_size(path, name, (path / name).stat().st_size)
            return (path / name).read_bytes()
        except OSError as error:
            raise BadInput(
                f"{path}: {shown(name)} cannot be read ({error.strerror}): make it readable, or "
                "take it out."
            ) from error

    return Members(found.files, tuple(found.odd.items()), read)


def _sorted_out(found: Members) -> ImageFiles:
    """Return the pictures in order of their names, and all others, those with a reason first."""
    every = [*found.odd, *((name, _why_not(name)) for name in found.names)]
    every = [(name, why) for name, why in every if not _is_of_the_system(name)]
    pictures = sorted(name for name, why in every if why is None)
    others = [(name, why) for name, why in every if why is not None]
    others.sort(key=lambda row: (not row[1], row[0]))
    told = (f"{plain(name)} [{why}]" if why else plain(name) for name, why in others)
    return ImageFiles(tuple(pictures), found.read, tuple(told))


def plain(name: str) -> str:
    """Return a file's name below its source, printable."""
    return printable(str(PurePosixPath(name)))


def _is_of_the_system(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return any(p.lower() in _SYSTEM or (p.startswith(".") and p != "..") for p in parts)


def _why_not(name: str) -> str | None:
    """Return why a file is not one of the pictures, or None if it is."""
    path = PurePosixPath(name)
    if ".." in path.parts:
        return "points outside"
    if path.suffix.lower() in suffixes():
        return None
    kind = mimetypes.guess_type(f"a{path.suffix.lower()}")[0] or ""
    return "not a format that is read: convert it to PNG" if kind.startswith("image/") else ""
