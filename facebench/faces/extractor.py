"""What every face model tells of an image, and how those on the CPU go about it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from facebench.errors import BadInput
from facebench.features.extractor import Extractor, ImageBatch, Tensors
from facebench.numerics.transfer import download, send

Picture = UInt8[np.ndarray, "h w 3"]


class FaceExtractor(Extractor):
    """A face model; `compute` returns, for each of n images:

    - ``counts``, int32 (n,): how many faces were found;
    - ``confidence``, float32 (n,): the detector's own, in the largest of them;
    - ``points``, float32 (n, 3, 2): the largest's eye at the viewer's left, its other eye, and its
      nose; x and y as shares of the image's width and height;
    - ``embedding``, float32 (n, d): whose face the largest is, of unit length, so that the
      similarity of two faces is their scalar product.

    The last three are NaN where no face was found.
    """  # noqa: D415 - a list

    layer = ""


@dataclass(frozen=True, eq=False)
class Face:
    """What is found in one image."""

    count: int
    """Of faces; the rest is of the largest."""
    confidence: float
    points: Float[np.ndarray, "3 2"]
    """As shares of width and height."""
    embedding: Float[np.ndarray, " d"]
    """Of any length but zero."""


class Look(ABC):
    """Loaded networks; they look at one picture at a time, each in a thread of its own."""

    dimensions: int
    """Of the embedding."""

    @abstractmethod
    def __call__(self, picture: Picture) -> Face | None:
        """Return what is found in `picture`, which stays as it is; None where there is no face."""


class HostFaces(FaceExtractor):
    """A face model that looks at one picture at a time, on the CPU.

    Images on a GPU are fetched first, and `compute` waits for them. What it finds in an image
    depends on that image alone, whatever the batch and however many threads there are.
    """

    threads: int
    """How many pictures are looked at side by side."""

    @abstractmethod
    def open(self) -> Look:
        """Load the networks, for one thread at a time."""

    @cached_property
    def looks(self) -> Sequence[Look]:
        """The loaded networks, for each thread its own."""
        return [self.open() for _ in range(self.threads)]

    def compute(self, images: ImageBatch, batch_size: int) -> Tensors:
        """Return what is found in `images`, on their device, see :class:`FaceExtractor`."""
        pictures = download({"images": images})()["images"].transpose(0, 2, 3, 1)
        parts = np.array_split(pictures, len(self.looks))
        with ThreadPoolExecutor(len(self.looks), "facebench-faces") as threads:
            found = threads.map(lambda look, part: list(map(look, part)), self.looks, parts)
            faces = [face for part in found for face in part]
        return {name: send(rows, images.device) for name, rows in self._rows(faces).items()}

    def _rows(self, faces: Sequence[Face | None]) -> dict[str, np.ndarray]:
        n = len(faces)
        counts = np.zeros(n, np.int32)
        confidence = np.full(n, np.nan, np.float32)
        points = np.full((n, 3, 2), np.nan, np.float32)
        embedding = np.full((n, self.looks[0].dimensions), np.nan, np.float32)
        for i, face in enumerate(faces):
            if face:
                counts[i], confidence[i], points[i] = face.count, face.confidence, face.points
                embedding[i] = self._unit(face.embedding)
        return {
            "counts": counts,
            "confidence": confidence,
            "points": points,
            "embedding": embedding,
        }

    def _unit(self, embedding: Float[np.ndarray, " d"]) -> Float[np.ndarray, " d"]:
        length = np.linalg.norm(embedding.astype(np.float64))
        if not 0 < length < np.inf:
            raise BadInput(
                f"{self.name} describes a face by numbers of length {length}, where a direction is "
                "needed: give other weights."
            )
        return embedding / length


def scaled(picture: Picture, least: int, most: int) -> UInt8[np.ndarray, "new_h new_w 3"]:
    """Return `picture` with a longer side of `least` to `most` pixels, resized by Pillow's bicubic.

    Shrinking, that averages: nothing is aliased.

    >>> [scaled(np.zeros((h, w, 3), np.uint8), 128, 320).shape for h, w in ((64, 64), (4096, 10))]
    [(128, 128, 3), (320, 1, 3)]
    """
    height, width = picture.shape[:2]
    longer = max(height, width)
    scale = min(max(longer, least), most) / longer
    if scale == 1:
        return np.ascontiguousarray(picture)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    image = Image.fromarray(np.ascontiguousarray(picture))
    return np.asarray(image.resize(size, Image.Resampling.BICUBIC))


def shares(
    points: Float[np.ndarray, "n 2"], picture: UInt8[np.ndarray, "h w 3"]
) -> Float[np.ndarray, "n 2"]:
    """Return `points`, numbered by pixels whose middles are whole, as shares of both sides.

    >>> shares(np.array([[0.0, 3.0]]), np.zeros((4, 2, 3), np.uint8)).tolist()
    [[0.25, 0.875]]
    """
    return (points + 0.5) / picture.shape[1::-1]


def need(model: str, module: str, extra: str) -> None:
    """Refuse face model `model` where `module` is not installed; nothing is imported."""
    if find_spec(module) is None:
        raise BadInput(
            f"The face model {model} needs the package {module!r}, which is not installed: "
            f"pip install 'facebench[{extra}]'"
        )


def version_of(*packages: str) -> str:
    """Return the version of the first of `packages` that is installed."""
    for package in packages:
        with suppress(PackageNotFoundError):
            return version(package)
    return "of unknown version"
