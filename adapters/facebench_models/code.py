"""``python:``: the user's own function, from latents or from seeds to pixels."""

from collections.abc import Callable, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np

from facebench.errors import BadInput
from facebench.plugins.user_code import check_arguments, import_function, takes
from facebench.sampler import Images
from facebench.samplers.pixels import Pixels
from facebench_models.feeding import as_array, images_of
from facebench_models.network import Loaded, NetworkSampler


class SeedsSampler:
    """A function from a list of seeds to pixels."""

    def __init__(self, function: Callable[[list[int]], Any], pixels: Pixels, output: str):
        self._function, self._pixels, self._output = function, pixels, output

    def sample(self, seeds: Sequence[int]) -> Images:
        """Return the images of `seeds`."""
        output = self._function(list(seeds))
        return self._pixels.images(as_array(images_of(output, self._output)))


class LabelsSampler(SeedsSampler):
    """A function from a list of seeds and, where it is asked for classes, their names to pixels."""

    def __init__(self, function: Callable[..., Any], pixels: Pixels, output: str, classes: Any):
        super().__init__(function, pixels, output)
        self.classes = classes

    def sample(self, seeds: Sequence[int], labels: Sequence[str] | None = None) -> Images:
        """Return the images of `seeds`, of the classes that `labels` name if they are given."""
        asked = {} if labels is None else {"labels": list(labels)}
        output = self._function(list(seeds), **asked)
        return self._pixels.images(as_array(images_of(output, self._output)))


class LatentsSampler(NetworkSampler):
    """A function from latents to pixels."""

    def __init__(self, function: Callable[[np.ndarray], Any], code: str, **options: str):
        self._function = function
        super().__init__(Path(code), **options)

    def load(self, path: Path) -> Loaded:
        """Return the function; what it reads is not known."""
        return Loaded(self._function, files=None)


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
) -> SeedsSampler | LatentsSampler:
    """Return the sampler of a function of the user's own.

    `code` is ``module:function`` or ``file.py:function``, and `takes` is "latents", float32
    (n, size), or "seeds", a list of integers. Where `path` is of a file and not `code` once more,
    it is the function's second argument. A function of seeds with the parameter ``labels`` may have
    the names of its classes as its attribute `classes`. The rest is as in :class:`NetworkSampler`.
    """
    if not code:
        raise BadInput(
            "python: takes a function: python:MODULE:FUNCTION, python:FILE.py:FUNCTION, or …@PATH."
        )
    if takes not in ("latents", "seeds"):
        raise BadInput(f"There is no takes={takes!r}; there are: latents, seeds.")
    function = import_function(code)
    run = _with_path(code, function, None if code == str(path) else path)
    if takes == "seeds":
        pixels = Pixels(range, layout)
        if _takes_labels(function):
            return LabelsSampler(run, pixels, output, function.classes)  # type: ignore[attr-defined]
        return SeedsSampler(run, pixels, output)
    options = {"latent": latent, "size": size, "range": range, "layout": layout, "output": output}
    return LatentsSampler(run, code, **options)


def _takes_labels(function: Callable[..., Any]) -> bool:
    """Say whether a function of seeds can be asked for classes: by these and by a parameter."""
    return hasattr(function, "classes") and "labels" in signature(function).parameters


def _with_path(code: str, function: Callable[..., Any], path: Path | None) -> Callable[..., Any]:
    """Return `function`, which is given `path` besides if there is one; a list is one batch."""
    if path is not None and takes(function, 1) and not takes(function, 2):
        raise BadInput(f"{code} takes one argument, so {path} is not for it: leave out @{path}.")
    given = () if path is None else (path,)
    check_arguments(code, function, 1 + len(given))

    def run(batch: Any, **asked: Any) -> Any:
        output = function(batch, *given, **asked)
        return np.stack([*map(as_array, output)]) if isinstance(output, list) else output

    return run
