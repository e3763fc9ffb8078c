"""What all of these adapters share: a function from latents to pixels, and what both mean."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from facebench.errors import BadInput
from facebench.latents import check_distribution, draw, parse_shape
from facebench.pixels import Pixels
from facebench.sampler import Images, LatentSampler

_PROBE = tuple(range(16))
"""Seeds that are drawn once when a model is opened, to see that its range is the stated one."""

Network = Callable[[np.ndarray], np.ndarray]
"""From float32 latents (n, *shape) to pixels, one image per row and each row on its own."""


class NetworkSampler(LatentSampler):
    """A network of any framework with its latents and its pixels."""

    def __init__(
        self,
        network: Network,
        shape: Sequence[int],
        pixels: Pixels,
        latent: str = "normal",
    ):
        """Check on a few images that the network gives what `pixels` says.

        Args:
            network: see :data:`Network`.
            shape: of one latent.
            pixels: range and layout of what the network gives.
            latent: the distribution its latents come from, see :mod:`facebench.latents`.
        """
        self._network = network
        self._shape = tuple(shape)
        self._pixels = pixels
        self._latent = check_distribution(latent)
        self.latent_dim = math.prod(self._shape)
        with running(self._shape):
            probe = self._values(self.draw(_PROBE))
        pixels.check(probe)

    def draw(self, seeds: Sequence[int]) -> Float32[np.ndarray, "n d"]:
        """Return the latents of `seeds`."""
        return draw(seeds, self.latent_dim, self._latent)

    def decode(self, z: Float32[np.ndarray, "n d"]) -> Images:
        """Return the images of latents `z`."""
        return self._pixels.images(self._values(z))

    def _values(self, z: np.ndarray) -> np.ndarray:
        return np.asarray(self._network(z.reshape(-1, *self._shape)))


def latent_shape(size: str, known: Sequence[Any] | None, path: Path) -> tuple[int, ...]:
    """Return the shape of one latent: what the user says, else what the file does."""
    if size:
        return parse_shape(size)
    if known and all(isinstance(side, int) and side > 0 for side in known):
        return tuple(known)
    raise BadInput(f"{path} does not say how large its latents are: add +size=, as in +size=100.")


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Turn whatever a framework raises over a stranger's file into one sentence."""
    try:
        yield
    except BadInput:
        raise
    except Exception as error:
        raise BadInput(f"{path} is not {what} that can be read: {first_line(error)}.") from error


@contextmanager
def running(shape: Sequence[int]) -> Iterator[None]:
    """Turn a network's refusal of its first latents into one sentence."""
    try:
        yield
    except BadInput:
        raise
    except Exception as error:
        n = ", ".join(map(str, ("n", *shape)))
        raise BadInput(
            f"the network cannot be run on latents of shape ({n}), which size= sets: "
            f"{first_line(error)}."
        ) from error


def first_line(error: Exception) -> str:
    """Return what an error says in one line of bearable length, with its kind."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:200].rstrip('.')}" if lines else repr(error)
