"""What all of these adapters share: a function from latents to pixels, and what both mean."""

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float32

from facebench.errors import BadInput
from facebench.sampler import Images, LatentSampler
from facebench.samplers.latents import check_distribution, draw, parse_shape
from facebench.samplers.pixels import Pixels
from facebench_models.feeding import as_array, batched, plain

PROBE = tuple(range(16))
"""Seeds that are sampled once when a model is opened, to see that its range is the stated one."""


@dataclass(frozen=True)
class Loaded:
    """A network, and what its file says of it."""

    run: Callable[..., Any]
    """From its inputs, one array each, see :data:`facebench_models.feeding.Network`."""
    latents: Sequence[Any] = ()
    """Shape of a batch of them; what is not a number, the file leaves open."""
    files: tuple[Path, ...] | None = ()
    """What the images depend on besides the file; None where that cannot be known."""
    others: Sequence[Sequence[Any]] = ()
    """The shapes of further inputs, of what translates."""


class NetworkSampler(LatentSampler):
    """A network of any framework with its latents and its pixels; subclasses give `load`."""

    translator: ClassVar[Callable[..., Any]]
    """What opens the same files as translators, where there is something."""

    def __init__(
        self,
        path: Path,
        *,
        latent: str = "normal",
        size: str = "",
        range: str = "tanh",
        layout: str = "NCHW",
        output: str = "",
        device: str = "cpu",
    ):
        """Load the network at `path`, and check on a few images that it gives what is said.

        Args:
            path: of its file.
            latent: the distribution its latents come from, see :mod:`facebench.samplers.latents`.
            size: of one latent, as in 100 or 100x1x1, where the file does not say it.
            range: of the output, see :mod:`facebench.samplers.pixels`.
            layout: of the output.
            output: which of several outputs the images are.
            device: what it computes on, for subclasses that do not see to it themselves.
        """
        self.device = device
        loaded = self.load(path)
        batch, *known = loaded.latents or [None]
        self._shape = _latent_shape(size, known, path)
        self._pixels = Pixels(range, layout)
        self._latent = check_distribution(latent)
        self.latent_dim = math.prod(self._shape)
        self.files = loaded.files
        z = self._shaped(self.draw(PROBE))
        self._network, probe = batched(loaded.run, z, output, batch if _is_number(batch) else None)
        self._pixels.check(probe)

    @abstractmethod
    def load(self, path: Path) -> Loaded:
        """Return what the file at `path` holds."""

    def draw(self, seeds: Sequence[int]) -> Float32[np.ndarray, "n d"]:
        """Return the latents of `seeds`."""
        return draw(seeds, self.latent_dim, self._latent)

    def decode(self, z: Float32[np.ndarray, "n d"]) -> Images:
        """Return the images of latents `z`."""
        return self._network(self._shaped(z), self._images)

    def forward(self, z: Float32[np.ndarray, "n d"]) -> np.ndarray:
        """Return what the network gives for latents `z`, one image a row in its own range."""
        return self._network(self._shaped(z))

    def _images(self, output: Any) -> Images:
        """Return what a network gives as images; what lies on a GPU becomes bytes there."""
        is_on_gpu = getattr(getattr(output, "device", None), "type", "") == "cuda"
        return self._pixels.images(plain(output) if is_on_gpu else as_array(output))

    def _shaped(self, z: np.ndarray) -> np.ndarray:
        return z.reshape(-1, *self._shape)


def _latent_shape(size: str, known: Sequence[Any], path: Path) -> tuple[int, ...]:
    """Return the shape of one latent: what the user says, else what the file does."""
    if size:
        return parse_shape(size)
    if known and all(map(_is_number, known)):
        return tuple(known)
    raise BadInput(f"{path} does not say how large its latents are: add +size=, as in +size=100.")


def _is_number(side: Any) -> bool:
    return isinstance(side, int) and side > 0


def check_inputs(path: Path, inputs: Sequence[str], are_real: bool, most: int = 1) -> None:
    """Refuse a network whose `inputs`, as they are described, are anything but one latent.

    At `most` two, they may be a source and noise.
    """
    listed = ", ".join(inputs)
    if not 0 < len(inputs) <= most:
        needed = "one latent is" if most == 1 else "a source and at most noise are"
        raise BadInput(
            f"{path} takes {len(inputs)} inputs ({listed}), where {needed} needed: export a "
            "network that takes nothing else."
        )
    if not are_real:
        raise BadInput(
            f"{path} takes {listed}, where latents are batches of real numbers: export the part "
            "that takes them."
        )
