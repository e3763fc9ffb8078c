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
from facebench.translator import Answers
from facebench_models.feeding import as_array, images_of
from facebench_models.network import PROBE, Loaded, NetworkSampler


class _Read:
    """Makes images of what a function gives; once, of more than bytes, looks at several together.

    Few images alone do not show which range they are of, so these are always the same: a `probe`.
    """

    def __init__(self, pixels: Pixels, output: str, probe: Callable[[], Any]):
        self._pixels, self._output, self._probe = pixels, output, probe
        self._is_known = False

    def images(self, given: Any) -> Answers:
        """Return images, or raise BadInput for what is none or of another range than is said."""
        values = self._values(given)
        images = self._pixels.images(values)
        if not (self._is_known or values.dtype == np.uint8):
            self._pixels.check(self._values(self._probe()))
        self._is_known = True
        return images

    def _values(self, given: Any) -> np.ndarray:
        return as_array(images_of(given, self._output))


class SeedsSampler:
    """A function from a list of seeds to pixels."""

    def __init__(self, function: Callable[[list[int]], Any], pixels: Pixels, output: str):
        self._function = function
        self._read = _Read(pixels, output, lambda: function([*PROBE]))

    def sample(self, seeds: Sequence[int]) -> Images:
        """Return the images of `seeds`."""
        return self._read.images(self._function(list(seeds)))


class LabelsSampler(SeedsSampler):
    """A function from a list of seeds and, where it is asked for classes, their names to pixels."""

    def __init__(self, function: Callable[..., Any], pixels: Pixels, output: str, classes: Any):
        super().__init__(function, pixels, output)
        self.classes = classes

    def sample(self, seeds: Sequence[int], labels: Sequence[str] | None = None) -> Images:
        """Return the images of `seeds`, of the classes that `labels` name if they are given."""
        asked = {} if labels is None else {"labels": list(labels)}
        return self._read.images(self._function(list(seeds), **asked))


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


class FunctionTranslator:
    """A function from sources and a list of seeds to pixels."""

    def __init__(self, function: Callable[..., Any], pixels: Pixels, output: str, sources: Images):
        """Wrap `function`; some `sources` are kept to see that it gives what `pixels` say."""
        self._function = function
        self._read = _Read(pixels, output, lambda: function(sources, [*range(len(sources))]))

    def translate(self, sources: Images, seeds: Sequence[int]) -> Answers:
        """Return the function's answers."""
        return self._read.images(self._function(sources, list(seeds)))


def open_translation(
    path: Path,
    *,
    code: str = "",
    range: str = "uint8",
    layout: str = "NCHW",
    output: str = "",
    sources: Images,
) -> FunctionTranslator:
    """Return the translator of a function of the user's own.

    It is given sources, ``uint8`` RGB (n, 3, h, w), and as many seeds; where `path` is of a file
    and not `code` once more, that is its third argument. The rest is as in `open_function`, of the
    answers, which some `sources` are tried for.
    """
    if not code:
        raise BadInput(
            "python: takes a function: python:MODULE:FUNCTION, python:FILE.py:FUNCTION, or …@PATH."
        )
    run = _with_path(code, import_function(code), None if code == str(path) else path, 2)
    return FunctionTranslator(run, Pixels(range, layout), output, sources)


open_function.translator = open_translation  # type: ignore[attr-defined]


def _takes_labels(function: Callable[..., Any]) -> bool:
    """Say whether a function of seeds can be asked for classes: by these and by a parameter."""
    return hasattr(function, "classes") and "labels" in signature(function).parameters


def _with_path(
    code: str, function: Callable[..., Any], path: Path | None, count: int = 1
) -> Callable[..., Any]:
    """Return `function`, which is given `path` besides if there is one; a list is one batch.

    It takes `count` other arguments.
    """
    if path is not None and takes(function, count) and not takes(function, count + 1):
        number = "one argument" if count == 1 else f"{count} arguments"
        raise BadInput(f"{code} takes {number}, so {path} is not for it: leave out @{path}.")
    given = () if path is None else (path,)
    check_arguments(code, function, count + len(given))

    def run(*batch: Any, **asked: Any) -> Any:
        output = function(*batch, *given, **asked)
        return np.stack([*map(as_array, output)]) if isinstance(output, list) else output

    return run
