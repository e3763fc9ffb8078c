"""Pictures, packed into the page as WebP."""

import base64
import io
import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from facebench.results.visuals import Visuals, visuals_folder

SHOWN = 36  # images on a sample grid
_WIDTH = 384  # CSS pixels a sample grid is shown at, or as near as a whole factor comes
_CELL = 64  # CSS pixels of one image in a gallery, likewise
_EXAMPLE = 128  # CSS pixels of one image beside others of one source: whatever its own size
_LOSSLESS = 64  # pixels: what is as narrow is enlarged, and shows every fault
_LARGEST = 1024
"""Pixels of a picture's longer side: five models of 256 pixels stay below 8 MB."""


@dataclass(frozen=True)
class Picture:
    """A picture as a data URI, or the sentence that says why there is none."""

    uri: str = ""
    width: int = 0
    height: int = 0
    missing: str = ""
    target: int = _WIDTH
    """CSS pixels it should be shown at."""

    @property
    def shown_width(self) -> int:
        """Width on the page in CSS pixels: a whole multiple or a whole fraction of its own."""
        if not self.width:
            return self.target
        if self.width < self.target:
            return self.width * round(self.target / self.width)
        return self.width // round(self.width / self.target)

    @property
    def enlarged(self) -> bool:
        """Whether its pixels are shown as large as they are, or larger."""
        return self.shown_width >= self.width


@dataclass(frozen=True)
class Captioned:
    """A gallery with what the page says of it."""

    key: str
    title: str
    caption: str
    picture: Picture
    labels: tuple[tuple[str, str], ...]
    """One per image, or per row of images: its name, and its distance where there is one."""
    by_row: bool


_TEXTS = {
    "nearest": (
        "Most real-looking",
        "The samples nearest to any real image, by the distance of their features.",
    ),
    "farthest": ("Least real-looking", "The samples farthest from every real image."),
    "uncovered": ("Covered worst", "The real images that no sample comes near."),
    "copies": (
        "Nearest training images",
        "Left, the samples most suspected of copying; beside each the training images nearest to "
        "it. Below 1 a sample is nearer to its training image than that is to any other.",
    ),
    "leaks": (
        "The likest pairs",
        "Left, a face of the model; right, the face of the training set that it is most similar "
        "to, with their similarity (cosine). Every model has likest pairs, also one that remembers "
        "nobody.",
    ),
    "reconstructions": (
        "Reconstructions",
        "Real images above, what the model makes of them below.",
    ),
    "interpolation": ("Interpolations", "From one seed to another, each row another pair."),
    "traversal": (
        "Traversals",
        "One direction of the latent space a row, from −3 to +3 standard deviations.",
    ),
}
"""Title and caption of each gallery, in the order of the page."""


def sample_grid(folder: Path, name: str) -> Picture:
    """Return the sample grid of a model, or of real images."""
    return _picture(folder / "samples", f"{name}.png")


def galleries(
    folder: Path, model: str, visuals: Visuals, without: Collection[str] = ()
) -> list[Captioned]:
    """Return what else there is to see of `model`: nothing where an evaluation left nothing."""
    place, found = visuals_folder(folder, model), []
    for key, (title, caption) in _TEXTS.items():
        gallery = None if key in without else visuals.galleries.get(key)
        if gallery and (picture := _picture(place, gallery.file, _CELL * gallery.columns)).uri:
            rows = round(picture.height * gallery.columns / picture.width)
            distances = [f"{distance:#.3g}".rstrip(".") for distance in gallery.distances]
            labels = tuple(itertools.zip_longest(gallery.labels, distances, fillvalue=""))
            found.append(Captioned(key, title, caption, picture, labels, by_row=rows > 1))
    return found


@dataclass(frozen=True)
class Examples:
    """Some sources, the answers of each model to them, and the truth: a column of pictures each."""

    columns: Sequence[tuple[str, Picture, str]]
    """The heading, the picture, and what it shows in words."""
    count: int
    """How many sources."""


def examples(folder: Path, reference: str, visuals: Mapping[str, Visuals]) -> Examples | None:
    """Return what is to be shown side by side; None where an evaluation left no pictures.

    Args:
        folder: the results'.
        reference: the name of the targets' sample grid.
        visuals: the models', in the order of the columns.
    """
    sources, targets = (
        _picture(folder / "samples", f"{reference}-{side}.png", _EXAMPLE)
        for side in ("sources", "targets")
    )
    shown = {
        model: v.galleries["answers"] for model, v in visuals.items() if "answers" in v.galleries
    }
    if not (sources.uri and targets.uri and shown):
        return None
    names = next(iter(shown.values())).labels
    of = f"from above: {', '.join(names)}"
    answers = [
        (
            model,
            _picture(visuals_folder(folder, model), gallery.file, _EXAMPLE),
            f"Answers of {model} to these sources, {of}",
        )
        for model, gallery in shown.items()
    ]
    first, last = ("Source", sources, f"Sources, {of}"), ("Truth", targets, f"Targets, {of}")
    return Examples([first, *(each for each in answers if each[1].uri), last], len(names))


def _picture(folder: Path, name: str, target: int = _WIDTH) -> Picture:
    path, place = folder / name, f"{folder.name}/{name}"
    if Path(name).name != name or not path.is_file():
        return Picture(missing=f"There is no {place} beside this page's results.")
    try:
        with Image.open(path) as image:
            image.thumbnail((_LARGEST, _LARGEST))
            return Picture(_data_uri(image), *image.size, target=target)
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        return Picture(missing=f"{place} cannot be read: {error}.")


def _data_uri(image: Image.Image) -> str:
    stream = io.BytesIO()
    image.convert("RGB").save(stream, "WEBP", quality=85, lossless=image.width <= _LOSSLESS)
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode()}"
