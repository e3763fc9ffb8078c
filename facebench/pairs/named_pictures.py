"""Pictures that go by their names, which pair them: as sources, targets and answers do."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from unicodedata import normalize

import numpy as np

from facebench.data.decode import Glance, Unreadable, decode, glance, to_array
from facebench.data.picture_files import ImageFiles, open_images
from facebench.errors import BadInput
from facebench.samplers.picture_set import Looks
from facebench.text import printable, shown
from facebench.translator import Answers


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

    def looks(self, names: Sequence[str]) -> Looks:
        """Return what the pictures so named are like, or raise BadInput for what is none."""
        seen = [self._glance(self.by_name[name]) for name in names]
        return Looks(
            Counter((each.height, each.width) for each in seen),
            Counter(each.format for each in seen),
            sum(each.is_converted for each in seen),
        )

    def load(self, names: Sequence[str], size: tuple[int, int]) -> Answers:
        """Return the pictures so named, ``uint8`` RGB (n, 3, h, w).

        Raises:
            BadInput: for a picture that cannot be read, and one of another `size`, height and
                width.
        """
        images = np.empty((len(names), 3, *size), np.uint8)
        for image, name in zip(images, names, strict=True):
            image[:] = self.picture(name, size)
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

    def _glance(self, file: str) -> Glance:
        try:
            return glance(shown(file), self.files.read(file))
        except Unreadable as error:
            raise self._unreadable(error) from error

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

    A name is the file's way below `path`, without the ending, in the one form of its letters that
    Unicode composes (NFC): systems take others apart.
    """
    if path.suffix.lower() in (".npy", ".npz"):
        raise BadInput(
            f"{path} is an array, whose images have no names to go by: save them as pictures, each "
            "under the name of its source."
        )
    files = open_images(path)
    by_name: dict[str, str] = {}
    for file in files.names:
        name = printable(normalize("NFC", str(PurePosixPath(file).with_suffix(""))))
        if name in by_name:
            raise BadInput(
                f"{path} has two pictures called {shown(name)} ({shown(by_name[name])} and "
                f"{shown(file)}), and pairs go by name: take one out."
            )
        by_name[name] = file
    return NamedPictures(path, files, by_name)


def told(names: Sequence[str]) -> str:
    """Return names in a sentence, with "is" or "are".

    >>> told(["a"]), told(["a", "b", "c", "d"])
    ('a is', 'a, b, c and 1 more are')
    """
    return " ".join(_told(names))


def said_of(left_out: int, converted: int, where: str) -> str:
    """Return what must be said of pictures, if anything.

    >>> said_of(1, 0, "the pairs"), said_of(0, 0, "the pairs")
    ('1 other files among the pairs are left out', '')
    """
    notes = []
    if left_out:
        notes.append(f"{left_out} other files among {where} are left out")
    if converted:
        notes.append(
            f"{converted} pictures among {where} are turned by EXIF, or laid over white where they "
            "are transparent"
        )
    return "; ".join(notes)


def _told(names: Sequence[str]) -> Iterator[str]:
    yield ", ".join(map(shown, names[:3]))
    if len(names) > 3:
        yield f"and {len(names) - 3} more"
    yield "is" if len(names) == 1 else "are"
