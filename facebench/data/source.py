"""Picture files in a folder, a zip or a tar, read by name in sorted order."""

import mimetypes
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath

from facebench.data.archive import DAMAGE, Header, Members, check_size, open_tar, open_zip
from facebench.data.decode import suffixes
from facebench.errors import BadInput
from facebench.folders import tree
from facebench.text import name_bytes, printable, shown

_SYSTEM = {"thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "__macosx"}
"""What systems leave in people's folders, besides files whose names begin with a dot."""
_NAMED = 3  # files in a message


@dataclass(frozen=True)
class ImageFiles:
    """The picture files of one source: their sorted names and how to read one."""

    path: Path
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
    found = _opener(path)(path)
    names, left_out = _sorted_out(found.names, found.odd)
    if not names:
        but = f", only {listed(left_out)}" if left_out else ""
        raise BadInput(
            f"{path} holds no pictures ({', '.join(sorted(suffixes()))}){but}: give files so "
            "named, or one .npy or .npz array of all."
        )
    return ImageFiles(path, names, found.read, left_out)


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


def _opener(path: Path) -> Callable[[Path], Members]:
    check_kind(path)
    if path.is_dir():
        return _folder
    if zipfile.is_zipfile(path):
        return open_zip
    if _is_tar(path):
        return open_tar
    raise BadInput(
        f"{path} is not a folder, a zip or a tar of pictures, nor a .npy or .npz array of them: "
        "unpack another kind of archive, and name the folder that the pictures lie in."
    )


def _is_tar(path: Path) -> bool:
    try:
        tarfile.open(path, tarinfo=Header).close()
        return True
    except tarfile.TarError:
        return False
    except DAMAGE as error:  # of its compression
        raise BadInput(f"{path} is damaged ({error}): fetch it again, or pack it anew.") from error


def _sorted_out(
    names: Iterable[str], odd: Iterable[tuple[str, str]]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the pictures' names in order, and all others, those with a reason first."""
    others = [(name, why) for name, why in odd if not _is_of_the_system(name)]
    pictures = []
    for name in names:
        why = _why_not(name)
        if _is_of_the_system(name):
            continue
        if why is None:
            pictures.append(name)
        else:
            others.append((name, why))
    others.sort(key=lambda row: (not row[1], row[0]))
    told = (f"{plain(name)} [{why}]" if why else plain(name) for name, why in others)
    return tuple(sorted(pictures)), tuple(told)


def plain(name: str) -> str:
    """Return a file's name below its source, printable."""
    return printable(str(PurePosixPath(name)))


def _is_of_the_system(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return any(p.lower() in _SYSTEM or (p.startswith(".") and p != "..") for p in parts)


def _why_not(name: str) -> str | None:
    """Return why a file is none of the pictures, or None if it is one."""
    path = PurePosixPath(name)
    if ".." in path.parts:
        return "points outside"
    if path.suffix.lower() in suffixes():
        return None
    kind = mimetypes.guess_type(f"a{path.suffix.lower()}")[0] or ""
    return "not a format that is read: convert it to PNG" if kind.startswith("image/") else ""


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
