"""The sampler contract: one image per integer seed, whatever the batch.

A sampler maps seeds to ``uint8`` RGB images of shape ``(n, 3, height, width)``. Image *i* depends
on seed *i* alone: never on the other seeds of the call, on the process, or on earlier calls. That
is what makes scores equal at every batch size, and a resumed run equal to an uninterrupted one.

On the CPU the image of a seed that is drawn again is the same to the bit; in a batch of another
size, and on a GPU every time, a pixel may differ by one grey level, for sums are taken in another
order. ``facebench check`` says in how many.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32, UInt8

Images = UInt8[np.ndarray, "n 3 h w"]
_NOT_FINITE = "the model produced NaN or infinite pixel values"


@runtime_checkable
class Sampler(Protocol):
    """Anything with ``sample(seeds) -> images``."""

    def sample(self, seeds: Sequence[int]) -> Images:
        """Return one ``uint8`` RGB image per seed, shape ``(len(seeds), 3, height, width)``."""
        ...


class LatentSampler(ABC):
    """A sampler that decodes latents; subclasses give `latent_dim` and `decode`.

    Latents are standard normal; a subclass for which they are not says its own in `draw`.
    """

    latent_dim: int

    @abstractmethod
    def decode(self, z: Float32[np.ndarray, "n d"]) -> Images:
        """Return one ``uint8`` RGB image per latent vector (each row on its own)."""

    def draw(self, seeds: Sequence[int]) -> Float32[np.ndarray, "n d"]:
        """Return the latents of `seeds`, each from its seed alone."""
        return latents(seeds, self.latent_dim)

    def sample(self, seeds: Sequence[int]) -> Images:
        """Return the decoded latents of `seeds`."""
        return self.decode(self.draw(seeds))


@runtime_checkable
class NamesItsFiles(Protocol):
    """What a sampler may say besides: that it read nothing else.

    Its features are then kept for as long as these files, and the one that it was opened with, hold
    the same. Of any other sampler, some images are sampled again before anything that was kept is
    used.
    """

    files: Sequence[Path]
    """Every file that the images depend on besides the path that was named."""


@runtime_checkable
class Encoder(Protocol):
    """What else a latent sampler may offer: the way back, for reconstructions."""

    def encode(self, images: Images) -> Float32[np.ndarray, "n d"]:
        """Return the latents from which `decode` makes what is nearest to `images`."""
        ...


def latents(seeds: Sequence[int], dim: int) -> Float32[np.ndarray, "n d"]:
    """Draw one standard normal vector per seed, ``float32`` of shape ``(len(seeds), dim)``.

    Each row has a counter-based generator of its own (Philox, Salmon et al. 2011) keyed by its
    seed, so it is the same in every batch and process.

    >>> bool((latents([7], 4)[0] == latents([3, 7], 4)[1]).all())
    True
    """
    rows = [
        np.random.Generator(np.random.Philox(key=int(seed))).standard_normal(dim, dtype=np.float32)
        for seed in seeds
    ]
    return np.stack(rows) if rows else np.empty((0, dim), np.float32)


def to_uint8(
    values: Float[np.ndarray, "*shape"], low: int | float, high: int | float
) -> np.ndarray:
    """Map ``[low, high]`` to 0–255, rounding to nearest and clipping what lies outside.

    >>> to_uint8(np.array([-1.0, 0.0, 1.0, 2.0]), -1.0, 1.0).tolist()
    [0, 128, 255, 255]
    """
    if not np.isfinite(values).all():
        raise ValueError(_NOT_FINITE)
    scaled = (values.astype(np.float32) - low) * (255 / (high - low))
    return np.rint(scaled.clip(0, 255)).astype(np.uint8)


def tensor_to_uint8(values: Any, low: int | float, high: int | float) -> np.ndarray:
    """Map a tensor of PyTorch as :func:`to_uint8` does an array, to the bit.

    On a GPU that is done there, and one byte a value is fetched instead of four.
    """
    if values.device.type == "cpu":
        return to_uint8(values.float().contiguous().numpy(), low, high)
    if not values.isfinite().all():
        raise ValueError(_NOT_FINITE)
    scaled = (values.float() - low) * (255 / (high - low))
    return scaled.clip(0, 255).round().byte().contiguous().cpu().numpy()


def checked(images: np.ndarray, count: int) -> Images:
    """Return a sampler's answer if it keeps the contract, else raise ValueError saying how not."""
    images = np.asarray(images)
    if images.dtype != np.uint8:
        raise ValueError(
            f"the sampler returned {images.dtype} where uint8 in 0–255 is the contract"
        )
    if images.ndim != 4 or images.shape[:2] != (count, 3) or 0 in images.shape[2:]:
        raise ValueError(
            f"the sampler returned shape {images.shape} for {count} seeds, "
            f"where ({count}, 3, height, width) is the contract"
        )
    return np.ascontiguousarray(images)
