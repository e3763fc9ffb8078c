"""``python:``: the user's own function, from latents or from seeds to pixels."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from facebench.errors import BadInput
from facebench.plugins.user_code import check_arguments, import_function, takes
from facebench.sampler import Images
from facebench.samplers.pixels import Pixels
from facebench_models.feeding import as_array, images_of
from facebench_models.network import NetworkSampler, latent_shape


class SeedsSampler:
    """A function from a list of seeds to pixels."""

    def __init__(self, function: Callable[[Sequence[int]], np.ndarray], pixels: Pixels):
        self._function, self._pixels = function, pixels

    def sample(self, seeds: Sequence[int]) -> Images:
        """Return the images of `seeds`."""
        return self._pixels.images(self._function(list(seeds)))


def open_function(
    path: Path,
    *,
    code: str = "",
    takes: str = "latents",
    latent: str = "normal",
    size: str = "",
    range: str = "uint8",
    layout: str = "NCHW",
    output: str = "",
) -> SeedsSampler | NetworkSampler:
    """Return the sampler of a function of the user's own.

    Args:
        path: of a file that the function is given after its latents or seeds, if it takes two
            arguments; else not used.
        code: ``module:function`` or ``file.py:function``.
        takes: "latents", float32 (n, size), or "seeds", a list of integers.
        latent: distribution of the latents.
        size: of one latent.
        range: of the output.
        layout: of the output.
        output: which of several, where the function gives a dictionary or more.
    """
    if not code:
        raise BadInput(
            "python: takes a function: python:MODULE:FUNCTION, python:FILE.py:FUNCTION, or …@PATH."
        )
    if takes not in ("latents", "seeds"):
        raise BadInput(f"There is no takes={takes!r}; there are: latents, seeds.")
    given = None if code == str(path) else path
    function = _with_path(import_function(code), given, code, output)
    pixels = Pixels(range, layout)
    if takes == "seeds":
        return SeedsSampler(function, pixels)
    shape = latent_shape(size, None, Path(code))
    return NetworkSampler(function, shape, pixels, latent)


def _with_path(
    function: Callable[..., Any], path: Path | None, code: str, wanted: str
) -> Callable[[Any], np.ndarray]:
    if path is not None and takes(function, 1) and not takes(function, 2):
        raise BadInput(f"{code} takes one argument, so {path} is not for it: leave out @{path}.")
    check_arguments(code, function, 1 if path is None else 2)
    given = () if path is None else (path,)

    def run(drawn: Any) -> np.ndarray:
        output = function(drawn, *given)
        return (
            np.stack([*map(as_array, output)])
            if isinstance(output, list)
            else as_array(images_of(output, wanted))
        )

    return run
