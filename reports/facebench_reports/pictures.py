"""Pictures, packed into the page as WebP."""

import base64
import io
import itertools
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from facebench.results.result import Protocol
from facebench.results.visuals import Exhibits, Strip, exhibits_folder

SHOWN = 36  # images on a sample grid
_WIDTH = 384  # CSS pixels a sheet is shown at, or as near as a whole factor comes
_CELL = 64  # CSS pixels of one image in a strip, likewise
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
class Exhibit:
    """A strip with what the page says of it."""

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
"""Title and caption of each strip, in the order of the page."""


def model_picture(folder: Path, model: str) -> Picture:
    """Return the sample grid of `model`."""
    return _picture(folder / "samples", f"{model}.png", "samples")


def reference_picture(folder: Path, protocol: Protocol) -> Picture:
    """Return the sample grid of the real images."""
    name = f"reference-{protocol.dataset_digest[:12]}-{protocol.split}.png"
    return _picture(folder / "samples", name, "samples")


def strips(folder: Path, model: str, exhibits: Exhibits) -> list[Exhibit]:
    """Return what else there is to see of `model`: nothing where an evaluation left nothing."""
    held = [(key, exhibits.strips[key]) for key in _TEXTS if key in exhibits.strips]
    found = (_exhibit(exhibits_folder(folder, model), key, strip) for key, strip in held)
    return [exhibit for exhibit in found if exhibit.picture.uri]


def _exhibit(folder: Path, key: str, strip: Strip) -> Exhibit:
    title, caption = _TEXTS[key]
    picture = _picture(folder, strip.file, folder.name, _CELL * strip.columns)
    distances = [f"{distance:#.3g}".rstrip(".") for distance in strip.distances]
    labels = tuple(itertools.zip_longest(strip.labels, distances, fillvalue=""))
    rows = round(picture.height * strip.columns / picture.width) if picture.width else 1
    return Exhibit(key, title, caption, picture, labels, by_row=rows > 1)


def _picture(folder: Path, name: str, place: str, target: int = _WIDTH) -> Picture:
    path = folder / name
    if Path(name).name != name or not path.is_file():
        return Picture(missing=f"There is no {place}/{name} beside this page's results.")
    try:
        with Image.open(path) as image:
            image.thumbnail((_LARGEST, _LARGEST))
            return Picture(_data_uri(image), *image.size, target=target)
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        return Picture(missing=f"{place}/{name} cannot be read: {error}.")


def _data_uri(image: Image.Image) -> str:
    stream = io.BytesIO()
    image.convert("RGB").save(stream, "WEBP", quality=85)
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode()}"
