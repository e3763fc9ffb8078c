"""The picture files of a folder, a zip or a tar, by name; all else that lies there is told."""

import mimetypes
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath

from facebench.data.archive import Members, check_size, open_archive
from facebench.data.decode import suffixes
from facebench.errors import BadInput
from facebench.folder_walk import tree
from facebench.text import name_bytes, printable, shown

_SYSTEM = {"thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "__macosx"}
"""What systems leave in people's folders, besides files whose names begin with a dot."""
_WHOLE = (".npz", ".zip", ".tgz", ".tar.gz", ".h5", ".hdf5")
"""What files are called that may hold all pictures, and are not looked into in a folder."""
_NAMED = 3  # files in a message
_FILES_OR_ARRAY = "give files so named, or one .npy or .npz array of all"


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
    files = sorted_out(open_folder(path) if path.is_dir() else open_archive(path))
    if not files.names:
        raise no_pictures(path, files, "give files so named")
    return files


def no_pictures(path: Path, files: ImageFiles, way_out: str = _FILES_OR_ARRAY) -> BadInput:
    """Return the refusal of a source that holds only what is left out."""
    but = f", only {listed(files.left_out)}" if files.left_out else ""
    whole = [name for name in files.left_out if name.lower().endswith(_WHOLE)]
    if whole and path.is_dir():
        way_out = f"give {path / whole[0]}"
    return BadInput(f"{path} holds no pictures ({', '.join(sorted(suffixes()))}){but}: {way_out}.")


def listed(names: Sequence[str]) -> str:
    """Return a count and the first of `names`, for a message.

    >>> listed(["a.heic", "b.txt", "c.txt", "d.txt"])
    '4 other files (a.heic, b.txt, c.txt, …)'
    """
    first = ", ".join(map(shown, names[:_NAMED])) + (", …" if len(names) > _NAMED else "")
    return f"{len(names)} other file{'s' if len(names) > 1 else ''} ({first})"


def check_kind(path: Path) -> None:
    """Refuse what is not there, what may never end, and what may not be read."""
    if not path.exists():
        raise BadInput(f"There is no file or folder {path}: check the path.")
    if not (path.is_dir() or path.is_file()):
        raise BadInput(f"{path} is a pipe, a socket or a device: save it to a file and name that.")
    if not os.access(path, os.R_OK):
        raise BadInput(f"{path} may not be read: change its permissions, or copy it.")


def open_folder(path: Path) -> Members:
    """Return what lies in a folder, and how to read it."""
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


def sorted_out(found: Members, kinds: frozenset[str] | None = None) -> ImageFiles:
    """Return the pictures in order of their names, and all others, those with a reason first.

    Args:
        found: all that lies there.
        kinds: what the names of pictures end with, in lower case; what Pillow decodes by default.
    """
    kinds = suffixes() if kinds is None else kinds
    every = [*found.odd, *((name, _why_not(name, kinds)) for name in found.names)]
    every = [(name, why) for name, why in every if not is_of_the_system(name)]
    pictures = sorted(name for name, why in every if why is None)
    others = [(name, why) for name, why in every if why is not None]
    others.sort(key=lambda row: (not row[1], row[0]))
    told = (f"{plain(name)} [{why}]" if why else plain(name) for name, why in others)
    return ImageFiles(tuple(pictures), found.read, tuple(told))


def plain(name: str) -> str:
    """Return a file's name below its source, printable."""
    return printable(str(PurePosixPath(name)))


def is_of_the_system(name: str) -> bool:
    """Say whether a file is what systems leave in folders, or hidden."""
    parts = PurePosixPath(name).parts
    return any(p.lower() in _SYSTEM or (p.startswith(".") and p != "..") for p in parts)


def _why_not(name: str, kinds: frozenset[str]) -> str | None:
    """Return why a file is not one of the pictures, or None if it is."""
    path = PurePosixPath(name)
    if ".." in path.parts:
        return "points outside"
    if path.suffix.lower() in kinds:
        return None
    kind = mimetypes.guess_type(f"a{path.suffix.lower()}")[0] or ""
    return "not a format that is read: convert it to PNG" if kind.startswith("image/") else ""
