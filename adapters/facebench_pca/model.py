"""The eigenface model: x = μ + Σ √λᵢ zᵢ vᵢ with z ~ N(0, I) (Turk & Pentland 1991).

As a generator it is the maximum-likelihood Gaussian of the training images, cut to its leading
directions; blurry, yet it covers the whole distribution (Richardson & Weiss 2018,
arXiv:1805.12462), which makes it the baseline row of a leaderboard.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

from facebench.errors import BadInput
from facebench.files import ARRAY_DAMAGE, atomic_path
from facebench.sampler import Images, to_uint8

TINY = 1e-12
"""Stands for a variance of 0, along which images do not differ."""


@dataclass(frozen=True)
class Eigenfaces:
    """Mean μ, orthonormal eigenvectors vᵢ and variances λᵢ of images as rows of p = 3·s·s pixels.

    Pixels run from 0 to 255. The variances are over n, not n - 1: the maximum-likelihood ones.
    """

    mean: Float32[np.ndarray, " p"]
    components: Float32[np.ndarray, "k p"]
    variances: Float32[np.ndarray, " k"]

    @property
    def size(self) -> int:
        """Height and width of the images in pixels."""
        return round((len(self.mean) / 3) ** 0.5)

    @property
    def latent_dim(self) -> int:
        """The number of eigenfaces."""
        return len(self.variances)

    def whiten(self, images: Images) -> Float[np.ndarray, "n k"]:
        """Return the latents of `images`, what `expand` makes of them again as far as it can.

        Over the training images they have mean 0 and covariance I, exactly.
        """
        centred = images.reshape(len(images), -1) - self.mean.astype(np.float64)
        return centred @ self.components.T / np.sqrt(np.maximum(self.variances, TINY))

    def expand(self, z: Float32[np.ndarray, "n k"]) -> Float32[np.ndarray, "n 3 s s"]:
        """Return μ + Σ √λᵢ zᵢ vᵢ for each row of `z`, not yet clipped to 0 to 255."""
        pixels = self.mean + (z * np.sqrt(self.variances)) @ self.components
        return pixels.reshape(-1, 3, self.size, self.size)

    def render(self, z: Float32[np.ndarray, "n k"]) -> Images:
        """Return the images of latents `z`, clipped to 0 to 255 and rounded."""
        return to_uint8(self.expand(z), 0.0, 255.0)

    def invert(self, images: Images) -> Float32[np.ndarray, "n k"]:
        """Return the latents of the projections of `images` on the eigenfaces."""
        return self.whiten(images).astype(np.float32)


def save(model: Eigenfaces, path: Path) -> None:
    """Write `model` to the npz file `path` atomically."""
    with atomic_path(path) as partial:
        np.savez(partial, size=model.size, **vars(model))


def load(path: Path) -> Eigenfaces:
    """Read and check what `save` wrote; nothing is unpickled."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return checked(file)
    except ARRAY_DAMAGE as error:
        raise BadInput(f"{path} is not an eigenface model, or damaged: {error}.") from error


def checked(arrays: Mapping[str, Any]) -> Eigenfaces:
    """Return the eigenfaces that `arrays` hold, beside their size, or raise ValueError."""
    k, p = arrays["components"].shape
    shapes = {"mean": (p,), "components": (k, p), "variances": (k,)}
    for name, shape in shapes.items():
        array = arrays[name]
        if array.dtype != np.float32 or array.shape != shape or not np.isfinite(array).all():
            raise ValueError(f"its {name} are not finite float32 of shape {shape}")
    if (arrays["variances"] < 0).any():
        raise ValueError("it has negative variances")
    if p != 3 * int(arrays["size"]) ** 2:
        raise ValueError(f"its {p} pixels are not a square RGB image")
    return Eigenfaces(**{field.name: arrays[field.name] for field in fields(Eigenfaces)})
