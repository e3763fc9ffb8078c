"""What all of these adapters share: a function from latents to pixels, and what both mean."""

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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
"""Seeds that are sampled once when a model is opened, to see that its range is the stated one."""


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
        output: str = "",
        batch: int | None = None,
        files: tuple[Path, ...] | None = None,
    ):
        """Check on a few images that the network gives what `pixels` says.

        Args:
            network: see :data:`Network`.
            shape: of one latent.
            pixels: range and layout of what the network gives.
            latent: the distribution its latents come from, see :mod:`facebench.samplers.latents`.
            output: which of several outputs the images are.
            batch: the number of latents the network takes, where it takes one number only and
                says so; else it is found out.
            files: see the attribute.
        """
        self._shape = tuple(shape)
        self._pixels = pixels
        self._latent = check_distribution(latent)
        self.latent_dim = math.prod(self._shape)
        self.files = files
        z = self._shaped(self.draw(_PROBE))
        self._network, probe = fed(network, z, output, batch)
        pixels.check(probe)

    def draw(self, seeds: Sequence[int]) -> Float32[np.ndarray, "n d"]:
        """Return the latents of `seeds`."""
        return draw(seeds, self.latent_dim, self._latent)

    def decode(self, z: Float32[np.ndarray, "n d"]) -> Images:
        """Return the images of latents `z`."""
        return self._pixels.images(self.forward(z))

    def forward(self, z: Float32[np.ndarray, "n d"]) -> np.ndarray:
        """Return what the network gives for latents `z`, one image a row in its own range."""
        return self._network(self._shaped(z))

    def _shaped(self, z: np.ndarray) -> np.ndarray:
        return z.reshape(-1, *self._shape)


@dataclass(frozen=True)
class Graph:
    """A network that its file describes as a whole."""

    run: Network
    shape: Sequence[Any] = ()
    """Of a batch of its latents; what is not a number, the file leaves open."""
    files: tuple[Path, ...] = ()
    """Those that it was read from besides the one that is named."""


class GraphSampler(NetworkSampler):
    """A network that its file describes as a whole, so that no code is needed to build it."""

    def __init__(
        self,
        path: Path,
        *,
        latent: str = "normal",
        size: str = "",
        range: str = "tanh",
        layout: str = "NCHW",
        output: str = "",
    ):
        graph = self.open(path)
        batch = graph.shape[0] if graph.shape else None
        super().__init__(
            graph.run,
            latent_shape(size, graph.shape[1:], path),
            Pixels(range, layout),
            latent,
            output=output,
            batch=batch if isinstance(batch, int) and batch > 0 else None,
            files=graph.files,
        )

    @abstractmethod
    def open(self, path: Path) -> Graph:
        """Return what the file at `path` holds."""


def latent_shape(size: str, known: Sequence[Any], path: Path) -> tuple[int, ...]:
    """Return the shape of one latent: what the user says, else what the file does."""
    if size:
        return parse_shape(size)
    if known and all(isinstance(side, int) and side > 0 for side in known):
        return tuple(known)
    raise BadInput(f"{path} does not say how large its latents are: add +size=, as in +size=100.")


def check_inputs(path: Path, inputs: Sequence[str], are_real: bool) -> None:
    """Refuse a network whose `inputs`, as they are described, are anything but one latent."""
    listed = ", ".join(inputs)
    if len(inputs) != 1:
        raise BadInput(
            f"{path} takes {len(inputs)} inputs ({listed}), where one latent is needed: export a "
            "network that takes nothing else."
        )
    if not are_real:
        raise BadInput(
            f"{path} takes {listed}, where latents are batches of real numbers: export the part "
            "that takes them."
        )


@contextmanager
def reading(path: Path, *expected: Kind, what: str = "") -> Iterator[None]:
    """Turn whatever a framework raises over a stranger's file into one sentence.

    Args:
        path: of the file.
        expected: kinds of file that it may be; it is told to be any other.
        what: it should be, where the first of `expected` does not say it.
    """
    try:
        yield
    except BadInput:
        raise
    except Exception as error:
        refuse_others(path, *expected, what=what)
        what = what or expected[0].name
        raise BadInput(f"{path} is not {what} that can be read: {cause(error)}.") from error


def refuse_others(path: Path, *expected: Kind, what: str = "") -> None:
    """Raise BadInput if the file at `path` is certainly something else, saying what it is."""
    kind = kind_of(path)
    if kind and expected and kind not in expected:
        way_out = kind.way_out.format(path=path)
        raise BadInput(f"{path} is not {what or expected[0].name}: it is {kind.name}; {way_out}.")
