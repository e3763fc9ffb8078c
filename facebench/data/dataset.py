"""A prepared data set: a folder with a memory-mapped ``images.npy`` and its ``dataset.json``.

What is known of its images lies beside them, see :mod:`facebench.data.beside`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from os.path import isdir, isfile  # false for what cannot be a path, and never an error
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Int8, Int64

from facebench.data import beside
from facebench.data.stored import check_claims, damaged, open_array
from facebench.errors import BadInput
from facebench.files import file_digest, read_json
from facebench.sampler import Images
from facebench.text import printable

FORMAT = "facebench-dataset/1"
Split = Literal["train", "holdout", "all"]
HOLDOUT_BY = ("image", "person")
"""What is drawn for the hold-out."""
_INFO = {"count": int, "size": int, "digest": str, "crop": str, "filter": str, "splits": dict}
"""What readers need of ``dataset.json``, and its types."""


@dataclass(frozen=True)
class Dataset:
    """One split of a prepared data set; `images` is memory-mapped ``uint8`` (n, 3, s, s)."""

    folder: Path
    images: np.ndarray
    info: dict[str, Any]
    """The content of ``dataset.json``."""
    part: Split = "all"
    first: int = 0
    """Where `images` begins among the images of all splits."""
    whole: np.ndarray | None = field(default=None, repr=False)
    """The images of all splits, where `images` is only one of them."""
    every_label: Int64[np.ndarray, " all"] | None = field(default=None, repr=False)
    """Of all splits, the number of each image's class."""
    every_person: Int64[np.ndarray, " all"] | None = field(default=None, repr=False)
    """Of all splits, who each image shows."""
    every_attribute: Int8[np.ndarray, "all a"] | None = field(default=None, repr=False)
    """Of all splits, what each image's person has."""

    def __len__(self) -> int:
        return len(self.images)

    @property
    def name(self) -> str:
        """That of its folder, printable."""
        return printable(self.folder.resolve().name)

    @property
    def digest(self) -> str:
        """The sha256 of ``images.npy``: of all splits, whichever this is."""
        return str(self.info["digest"])

    @property
    def size(self) -> int:
        """Height and width in pixels."""
        return int(self.images.shape[-1])

    def split(self, part: Split) -> "Dataset":
        """Return the "train" or "holdout" split, or "all" images."""
        whole = self.images if self.whole is None else self.whole
        splits = {"all": (0, len(whole))} | self.info["splits"]
        if part not in splits:
            raise BadInput(
                f"The data set {self.name} has no split {part!r}; there are: {', '.join(splits)}."
            )
        first, last = splits[part]
        return replace(self, images=whole[first:last], part=part, first=first, whole=whole)

    @property
    def is_shuffled(self) -> bool:
        """Whether the images are in a random order, so that any part is like the whole."""
        is_drawn = "first_seed" in self.info.get("source", {})  # rendered, each by itself
        return is_drawn or isinstance(self.info.get("order"), dict)

    @property
    def key(self) -> str:
        """Which images these are, by content and place: a split's name alone does not tell."""
        return f"{self.digest}[{self.first}:{self.first + len(self)}]"

    def by_content(self) -> "Dataset":
        """Return it under the digest of the images that are there, whatever was written of them."""
        return replace(self, info=self.info | {"digest": file_digest(self.folder / "images.npy")})

    def verify(self) -> None:
        """Read all arrays and refuse them if they are not those that ``dataset.json`` is about."""
        digests = {"images.npy": self.digest} | beside.digests(self.info)
        for name, digest in digests.items():
            path = self.folder / name
            if file_digest(path) != digest:
                changed = "was changed after it was made (its sha256 is not that in dataset.json)"
                raise damaged(self.folder, f"{path} {changed}")

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of its classes, in the order of their numbers; none where it has none."""
        return tuple(self.info.get("classes", ()))

    @property
    def labels(self) -> Int64[np.ndarray, " n"] | None:
        """The number of each image's class, in :attr:`classes`; None where it has none."""
        return None if self.every_label is None else self.every_label[self._places]

    @property
    def people(self) -> Int64[np.ndarray, " n"] | None:
        """The number of the person that each image shows; None where that is not known."""
        return None if self.every_person is None else self.every_person[self._places]

    @property
    def attributes(self) -> Mapping[str, Int8[np.ndarray, " n"]] | None:
        """By name, 1 where the person has it, 0 where not, -1 unknown; None where it has none."""
        if self.every_attribute is None:
            return None
        values = self.every_attribute[self._places]
        return {name: values[:, i] for i, name in enumerate(self.info["attributes"])}

    @property
    def _places(self) -> slice:
        return slice(self.first, self.first + len(self))

    def sample(self, seeds: Sequence[int]) -> Images:
        """Return the images of indices `seeds`: a data set is a sampler of itself."""
        return np.asarray(self.images[np.asarray(seeds, dtype=np.int64)])


def is_prepared(path: Path) -> bool:
    """Say whether `path` is a prepared data set, or its array; others have a dataset.json, too."""
    info = (path if isdir(path) else path.parent) / "dataset.json"
    if not isfile(info) or (isfile(path) and path.name != "images.npy"):
        return False
    try:
        record = read_json(info)
    except BadInput:
        record = None
    is_ours = isinstance(record, dict) and "facebench" in str(record.get("format"))
    return is_ours or (info.parent / "images.npy").exists()


def open_dataset(folder: Path) -> Dataset:
    """Open a prepared data set, or raise :class:`BadInput` saying how to make one."""
    if not folder.exists():
        raise BadInput(f"There is no data set {folder}: make it with facebench data prepare.")
    if folder.is_file() and (folder.parent / "dataset.json").is_file():
        raise BadInput(f"{folder} is of a prepared data set: name its folder, {folder.parent}.")
    if not (folder / "dataset.json").is_file():
        raise BadInput(
            f"{folder} is not a prepared data set (it has no dataset.json): "
            f"run facebench data prepare {folder} OUT and name OUT instead."
        )
    info = _read_info(folder / "dataset.json")
    images = _open_images(folder / "images.npy", info)
    return Dataset(
        folder,
        images,
        info,
        every_label=beside.open_labels(folder, info),
        every_person=beside.open_people(folder, info),
        every_attribute=beside.open_attributes(folder, info),
    )


def _read_info(path: Path) -> dict[str, Any]:
    try:
        info = read_json(path)
    except BadInput as error:
        raise damaged(path.parent, str(error).rstrip(".")) from error
    if not isinstance(info, dict) or info.get("format") != FORMAT:
        raise damaged(path.parent, f"{path} is not of the format {FORMAT}")
    wrong = [key for key, kind in _INFO.items() if not isinstance(info.get(key), kind)]
    if not wrong and not all(_is_span(span, info["count"]) for span in info["splits"].values()):
        wrong = ["splits"]
    wrong += beside.wrong_in(info)
    if wrong:
        raise damaged(path.parent, f"{path} is damaged at {wrong[0]!r}")
    return info


def _is_span(span: Any, count: int) -> bool:
    match span:
        case [int(first), int(last)]:
            return 0 <= first <= last <= count
    return False


def _open_images(path: Path, info: dict[str, Any]) -> np.ndarray:
    images = open_array(path)
    expected = (info["count"], 3, info["size"], info["size"])
    check_claims(path, images, np.uint8, expected)
    return images
