"""What all of these adapters share: a function from latents to pixels, and what both mean."""

import math
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from facebench.errors import BadInput, cause
from facebench.sampler import Images, LatentSampler
from facebench.samplers.latents import check_distribution, draw, parse_shape
from facebench.samplers.pixels import Pixels
from facebench_models.feeding import Network, fed
from facebench_models.kinds import Kind, kind_of

_PROBE = tuple(range(16))
"""Seeds that are drawn once when a model is opened, to see that its range is the stated one."""


class NetworkSampler(LatentSampler):
    """A network of any framework with its latents and its pixels."""

    files: tuple[Path, ...] | None
    """What its images depend on besides the path it was given; None where that cannot be known."""

    def __init__(
        self,
        network: Network,
        shape: Sequence[int],
        pixels: Pixels,
        latent: str = "normal",
        *,
        batch: int | None = None,
        files: tuple[Path, ...] | None = None,
    ):
        """Check on a few images that the network gives what `pixels` says.

        Args:
            network: see :data:`Network`.
            shape: of one latent.
            pixels: range and layout of what the network gives.
            latent: the distribution its latents come from, see :mod:`facebench.samplers.latents`.
            batch: the number of latents the network takes, where it takes one number only and
                says so; else it is found out.
            files: see the attribute.
        """
        self._shape = tuple(shape)
        self._pixels = pixels
        self._latent = check_distribution(latent)
        self.latent_dim = math.prod(self._shape)
        self.files = files
        self._network, probe = fed(network, self._shaped(self.draw(_PROBE)), batch)
        pixels.check(probe)

    def draw(self, seeds: Sequence[int]) -> Float32[np.ndarray, "n d"]:
        """Return the latents of `seeds`."""
        return draw(seeds, self.latent_dim, self._latent)

    def decode(self, z: Float32[np.ndarray, "n d"]) -> Images:
        """Return the images of latents `z`."""
        return self._pixels.images(self._network(self._shaped(z)))

    def _shaped(self, z: np.ndarray) -> np.ndarray:
        return z.reshape(-1, *self._shape)


def latent_shape(size: str, known: Sequence[Any] | None, path: Path) -> tuple[int, ...]:
    """Return the shape of one latent: what the user says, else what the file does."""
    if size:
        return parse_shape(size)
    if known and all(isinstance(side, int) and side > 0 for side in known):
        return tuple(known)
    raise BadInput(f"{path} does not say how large its latents are: add +size=, as in +size=100.")


@contextmanager
def reading(path: Path, what: str, expected: Collection[Kind] = ()) -> Iterator[None]:
    """Turn whatever a framework raises over a stranger's file into one sentence.

    Args:
        path: of the file.
        what: it should be.
        expected: kinds of file that `what` comes as; the file is told to be any other.
    """
    try:
        yield
    except BadInput:
        raise
    except Exception as error:
        refuse_others(path, what, expected)
        raise BadInput(f"{path} is not {what} that can be read: {cause(error)}.") from error


def refuse_others(path: Path, what: str, expected: Collection[Kind] = ()) -> None:
    """Raise BadInput if the file at `path` is certainly something else, saying what it is."""
    kind = kind_of(path)
    if kind and kind.name != what and kind not in expected and (expected or not kind.is_a_model):
        way_out = kind.way_out.format(path=path)
        raise BadInput(f"{path} is not {what}: it is {kind.name}; {way_out}.")
