"""What adapters of networks share that translate: from sources, and perhaps noise, to pixels."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from facebench.errors import BadInput
from facebench.sampler import Images
from facebench.samplers.latents import check_distribution, draw, parse_shape
from facebench.samplers.pixels import Pixels
from facebench.translator import Answers
from facebench_models.feeding import as_array, batched, plain
from facebench_models.network import Loaded

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Of R, G and B, ITU-R BT.601, as Pillow makes grey."""
INPUTS = 2
"""A network takes a source, and may take noise besides."""


class NetworkTranslator:
    """A network of any framework with its sources and its pixels; subclasses give `load`."""

    def __init__(
        self,
        path: Path,
        *,
        latent: str = "normal",
        size: str = "",
        range: str = "tanh",
        input_range: str = "",
        layout: str = "NCHW",
        output: str = "",
        device: str = "cpu",
        sources: Images,
    ):
        """Load the network at `path`, and check on some `sources` that it gives what is said.

        Args:
            path: of its file.
            latent: the distribution of its noise, where it takes any as a second input.
            size: of the noise for one source, as in 100 or 100x1x1, where the file does not say it:
                given without need, it says that there is a second input.
            range: of the output, see :mod:`facebench.samplers.pixels`.
            input_range: of the sources as it takes them; as the output's by default.
            layout: of sources and output.
            output: which of several outputs the images are.
            device: what it computes on.
            sources: some of those that it will be given.
        """
        self.device = device
        loaded = self.load(path)
        self.files = loaded.files
        self._pixels = Pixels(range, layout)
        self._taken = Pixels(input_range or range, layout)
        self._latent = check_distribution(latent)
        self._image, noise, self._channels = _inputs(path, loaded, layout, is_told=bool(size))
        self._noise = parse_shape(size) if size else noise
        batch = loaded.latents[0] if loaded.latents else None
        known = batch if isinstance(batch, int) and batch > 0 else None
        self._run, self._shape = loaded.run, self._given(sources[:1]).shape[1:]
        probe = self._packed(sources, [*_first(sources)])
        try:
            self._network, values = batched(self._unpacked, probe, output, known)
        except BadInput as error:
            raise _as_of_sources(error, sources) from error
        self._pixels.check(values)

    @abstractmethod
    def load(self, path: Path) -> Loaded:
        """Return what the file at `path` holds: a network of one input or two."""

    def translate(self, sources: Images, seeds: Sequence[int]) -> Answers:
        """Return the network's answers; `seeds` draw the noise, where it takes any."""
        if sources.shape[0] == 0 or self._given(sources[:1]).shape[1:] != self._shape:
            raise BadInput("The sources are of another size than those that it was opened with.")
        return self._network(self._packed(sources, seeds), self._images)

    def _images(self, output: Any) -> Answers:
        is_on_gpu = getattr(getattr(output, "device", None), "type", "") == "cuda"
        return self._pixels.images(plain(output) if is_on_gpu else as_array(output))

    def _given(self, sources: Images) -> np.ndarray:
        """Return sources in the range and layout that the network takes, of one channel or 3."""
        values = self._taken.numbers(sources)
        if self._channels == 3:
            return values
        axis = 1 if self._taken.layout == "NCHW" else 3
        return np.expand_dims(np.tensordot(values, _LUMA, (axis, 0)), axis).astype(np.float32)

    def _packed(self, sources: Images, seeds: Sequence[int]) -> np.ndarray:
        """Return a row for each source: itself, or flat with its noise behind it.

        So a network of one batch size is fed both alike.
        """
        values = self._given(sources)
        if not self._noise:
            return values
        noise = draw(seeds, math.prod(self._noise), self._latent)
        return np.concatenate([values.reshape(len(values), -1), noise], 1)

    def _unpacked(self, rows: np.ndarray) -> Any:
        if not self._noise:
            return self._run(rows)
        pixels = math.prod(self._shape)
        source = rows[:, :pixels].reshape(-1, *self._shape)
        noise = rows[:, pixels:].reshape(-1, *self._noise)
        return self._run(*((source, noise) if self._image == 0 else (noise, source)))


def _first(sources: Images) -> range:
    return range(len(sources))


def _inputs(
    path: Path, loaded: Loaded, layout: str, is_told: bool
) -> tuple[int, tuple[int, ...], int]:
    """Return which input the source is, the shape of the other, and how many channels it has.

    What the file does not say is a single source, of three channels. A second input like an image
    may be a mask or another face, and is noise only where that `is_told`.
    """
    shapes = [each for each in (loaded.latents, *loaded.others) if each]
    axis = 1 if layout == "NCHW" else 3
    places = [i for i, shape in enumerate(shapes) if len(shape) == 4 and shape[axis] in (1, 3)]
    if shapes and not places:
        told = " and ".join(f"({', '.join(map(str, shape))})" for shape in shapes)
        raise BadInput(
            f"{path} takes {told}, none of which is images in the layout {layout}: give +layout=, "
            "or score what takes latents by facebench eval."
        )
    colour = [i for i in places if shapes[i][axis] == 3]
    image = (colour or places or [0])[0]
    noise = [shape[1:] for i, shape in enumerate(shapes) if i != image]
    if len(places) > 1 and not is_told:
        raise BadInput(
            f"{path} takes two inputs like images, and a mask or another face is not there to give "
            "it: let a function of your own (python:) make it of the source, or say that it is "
            "noise by +size=, as in +size=1x64x64."
        )
    if noise and not all(isinstance(side, int) and side > 0 for side in noise[0]):
        raise BadInput(f"{path} does not say how large its noise is: add +size=, as in +size=100.")
    return image, tuple(noise[0]) if noise else (), shapes[image][axis] if shapes else 3


def _as_of_sources(error: BadInput, sources: Images) -> BadInput:
    """Say of sources what is said of latents, which is what networks are usually fed."""
    height, width = sources.shape[2:]
    text = str(error).rstrip(".")
    if "of latents" not in text and "on latents" not in text:
        return error
    why = text.partition(": ")[2].rpartition("; ")[0] or text
    return BadInput(
        f"the network cannot be run on sources of {width}×{height} pixels: {why}; what takes "
        "latents is scored by facebench eval, and python: takes a function of your own."
    )
