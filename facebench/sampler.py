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
from inspect import signature
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32, UInt8

from facebench.errors import BadInput
from facebench.text import shown

Images = UInt8[np.ndarray, "n 3 h w"]
MOST_CLASSES = 10_000
LONGEST_NAMES = 80_000
"""Letters of all names together: they are told in one message."""
_NOT_FINITE = "the model produced NaN or infinite pixel values"


@runtime_checkable
class Sampler(Protocol):
    """Anything with ``sample(seeds) -> images``."""

    def sample(self, seeds: Sequence[int]) -> Images:
        """Return one ``uint8`` RGB image per seed, shape ``(len(seeds), 3, height, width)``."""
        ...


@runtime_checkable
class ConditionalSampler(Protocol):
    """What a sampler may offer besides: images of a class that it is asked for.

    Image *i* depends on seed *i* and label *i* alone. Without labels the sampler chooses, by the
    seed. A label that it does not know is refused, by any exception.
    """

    classes: Sequence[str]
    """The names of the classes that it knows: "0", "1", … where it only counts them."""

    def sample(self, seeds: Sequence[int], labels: Sequence[str] | None = None) -> Images:
        """Return one image per seed, of the class that its label names, as `Sampler` does."""
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


def known_classes(sampler: Sampler) -> tuple[str, ...] | None:
    """Return the classes that a sampler can be asked for; None where it takes no labels.

    A sampler takes them by a parameter of this name: what else is called `classes` is its own.

    Raises:
        BadInput: for classes that are no names, or too many.
    """
    if not hasattr(sampler, "classes") or "labels" not in signature(sampler.sample).parameters:
        return None
    given = sampler.classes
    names = [] if isinstance(given, str) else [*given]
    are_names = all(isinstance(name, str) and name.isprintable() and name for name in names)
    if not are_names or not 0 < len({*names}) == len(names) <= MOST_CLASSES:
        raise BadInput(
            "The sampler's classes must be different names, of printable letters and at most "
            f"{MOST_CLASSES:,} of them: name each class, by its number where it has no name."
        )
    if sum(map(len, names)) > LONGEST_NAMES:
        raise BadInput(
            f"The names of the sampler's classes are longer than {LONGEST_NAMES:,} letters "
            "together: shorten them."
        )
    return tuple(names)


def drawn(sampler: Any, seeds: Sequence[int], labels: Sequence[str] | None = None) -> np.ndarray:
    """Return what a sampler answers, asked with labels only where there are any."""
    images: np.ndarray = sampler.sample(seeds) if labels is None else sampler.sample(seeds, labels)
    return images


def check_labels(labels: Sequence[str], classes: Sequence[str] | None) -> None:
    """Refuse labels of a sampler that takes none, or does not know one of them."""
    if classes is None:
        raise BadInput(
            "This model cannot be asked for a class: its sampler has no classes, or its sample no "
            "parameter labels; leave the labels out."
        )
    for label in labels:
        if label not in classes:
            there = ", ".join(map(shown, classes[:10]))
            more = f" and {len(classes) - 10} more" if len(classes) > 10 else ""
            raise BadInput(f"This model knows no class {shown(label)!r}; it knows {there}{more}.")


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
