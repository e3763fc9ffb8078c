"""Sample grids, packed into the page."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from facebench.result import Protocol

SHOWN = 36  # images on a sample grid
_WIDTH = 384  # CSS pixels a sheet is shown at, or as near as a whole factor comes


@dataclass(frozen=True)
class Picture:
    """A picture as a data URI, or the sentence that says why there is none."""

    uri: str = ""
    width: int = 0
    height: int = 0
    missing: str = ""

    @property
    def shown_width(self) -> int:
        """Width on the page in CSS pixels: a whole multiple or a whole fraction of its own."""
        if not self.width:
            return _WIDTH
        if self.width < _WIDTH:
            return self.width * round(_WIDTH / self.width)
        return self.width // round(self.width / _WIDTH)

    @property
    def enlarged(self) -> bool:
        """Whether its pixels are shown as large as they are, or larger."""
        return self.shown_width >= self.width


def model_picture(folder: Path, model: str) -> Picture:
    """Return the sample grid of `model`."""
    return _picture(folder, f"{model}.png")


def reference_picture(folder: Path, protocol: Protocol) -> Picture:
    """Return the sample grid of the real images."""
    return _picture(folder, f"reference-{protocol.dataset_digest[:12]}-{protocol.split}.png")


def _picture(folder: Path, name: str) -> Picture:
    path = folder / "samples" / name
    if Path(name).name != name or not path.is_file():
        return Picture(missing=f"There is no samples/{name} beside this page's results.")
    try:
        with Image.open(path) as image:
            return Picture(_data_uri(image), *image.size)
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        return Picture(missing=f"samples/{name} cannot be read: {error}.")


def _data_uri(image: Image.Image) -> str:
    stream = io.BytesIO()
    image.convert("RGB").save(stream, "WEBP", quality=88)
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode()}"
