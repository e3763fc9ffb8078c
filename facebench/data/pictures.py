"""Whatever pictures come in: files or an array, one after another."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image

from facebench.data.arrays import is_array, open_array
from facebench.data.decode import decode
from facebench.data.source import check_kind, open_images, plain
from facebench.files import file_digest
from facebench.text import shown


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


def open_pictures(path: Path) -> Pictures:
    """Open a folder, a zip or a tar of pictures, or a npy or npz array of them."""
    check_kind(path)
    return _of_array(path) if is_array(path) else _of_files(path)


def _of_files(path: Path) -> Pictures:
    files = open_images(path)

    def load(index: int) -> Image.Image:
        return decode(shown(files.names[index]), files.read(files.names[index]))

    return Pictures([plain(name) for name in files.names], load, files.digest, files.left_out)


def _of_array(path: Path) -> Pictures:
    array = open_array(path)
    names = [f"{path.name}[{index}]" for index in range(len(array))]

    def load(index: int) -> Image.Image:
        return Image.fromarray(array[index].transpose(1, 2, 0))

    return Pictures(names, load, partial(file_digest, path))
