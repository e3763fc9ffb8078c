"""From what users write, on the command line or in a notebook, to the rows of the board to be."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from os import PathLike
from os.path import exists  # false for what cannot be a path, and never an error
from pathlib import Path
from typing import Any

import numpy as np

from facebench.data.arrays import channels_first
from facebench.data.statistics import is_statistics
from facebench.engine.given_statistics import StatisticsRow
from facebench.engine.pairing import SourceRow
from facebench.engine.sanity import SanityRow
from facebench.errors import BadInput, cause
from facebench.plugins.model_hints import path_of
from facebench.plugins.model_spec import (
    STATISTICS,
    Model,
    adapter_of_run,
    check_name,
    parse_models,
    parse_named,
)
from facebench.plugins.run_checkpoints import FORM as CHECKPOINTS
from facebench.sampler import Sampler
from facebench.samplers.picture_set import PictureSet, of_array
from facebench.translator import Translator

PICTURES = "images"
"""The adapter of pictures that are there already."""
UNNAMED = "array"
"""What an array is called that nobody gave a name; the second is array-2."""
_CONVERT = (
    "convert it, as np.rint(x * 127.5 + 127.5).astype(np.uint8) of numbers in [-1, 1], and repeat "
    "grey three times"
)


@dataclass(frozen=True)
class ObjectRow:
    """A sampler that is an object of this process."""

    name: str
    open: Callable[[str], Sampler | Translator]
    """Returns the sampler or translator, to compute on a device if it lets itself be told."""
    path: Path
    """What it is, for it lies nowhere."""
    adapter: str = "object"

    @property
    def target(self) -> str:
        """What a Result records of it."""
        return str(self.path)


@dataclass(frozen=True, eq=False)
class PicturesRow:
    """Pictures that somebody has: files, or an array of this process."""

    name: str
    open: Callable[[], PictureSet]
    path: Path
    target: str
    """What a Result records of them."""
    adapter: str = PICTURES

    @cached_property
    def pictures(self) -> PictureSet:
        """The pictures, opened when they are first asked for."""
        return self.open()


Entry = Model | ObjectRow | PicturesRow | StatisticsRow | SanityRow | SourceRow
"""Whatever becomes a row of the board."""

Models = Any
"""``"dcgan,mine=vae:path"``, a parsed Model, a sampler or a function of seeds, a sequence of these,
or a mapping of names to these."""


Given = Model | ObjectRow | PicturesRow | StatisticsRow


def parse_entries(models: Models) -> list[Given]:
    """Return the rows that `models` means, or raise BadInput."""
    return require_names([_in_its_place(row) for row in _rows(models)])


def parse_one(name: str, value: Any) -> Given:
    """Return the row `name` that `value` means: a path alone is a run, statistics or pictures.

    What holds both is pictures, unless it is called ``statistics:PATH``.
    """
    require_path(value)
    is_text = isinstance(value, str | PathLike)
    if is_text and exists(path := path_of(str(value))):
        if is_statistics(path):
            return StatisticsRow(name, path)
        value = Model(name, adapter_of_run(path) or PICTURES, path)
    elif is_text and ":" not in str(value) and not CHECKPOINTS.fullmatch(str(value)):
        raise BadInput(f"There is no file or folder {value}: check the path.")
    return _in_its_place(_row(name, value))


def require_path(value: Any) -> None:
    """Refuse an empty text, as a shell makes of a variable that is not set."""
    if isinstance(value, str) and not value.strip():
        raise BadInput(
            "A path is empty: give one, and . for the current folder; a variable of the shell may "
            "not be set."
        )


def require_names(rows: list[Given]) -> list[Given]:
    """Return `rows`, unnamed arrays numbered, if no two have one name, else raise BadInput."""
    numbers = count(2)
    names: set[str] = set()
    for place, row in enumerate(rows):
        if row.name == UNNAMED and UNNAMED in names:
            rows[place] = row = replace(row, name=f"{UNNAMED}-{next(numbers)}")
        if row.name in names:
            raise BadInput(
                f"Two models are called {row.name!r}: give every row a name of its own, as in "
                "a=PATH and b=PATH or {'a': …, 'b': …}."
            )
        names.add(row.name)
    return rows


def _rows(models: Models) -> Iterable[Given]:
    match models:
        case str():
            return parse_models(models)
        case Mapping():
            return [_row(str(name), value) for name, value in models.items()]
        case list() | tuple():
            return [row for each in models for row in _rows(each)]
    return [_row("", models)]


def _row(name: str, value: Any) -> Given:
    match value:
        case Model() | ObjectRow() | PicturesRow() | StatisticsRow():
            return replace(value, name=name or value.name)
        case str() | PathLike():
            return parse_named(name or Path(value).stem, str(value))
    if hasattr(value, "__array__") and not isinstance(value, Sampler):
        return _of_array(check_name(name or UNNAMED), value)
    name = name or re.sub(r"\W", "", getattr(value, "__name__", type(value).__name__))
    sampler = _sampler(check_name(name), value)
    return ObjectRow(name, lambda _: sampler, Path(_origin(value)))


def _of_array(name: str, value: Any) -> PicturesRow:
    """Return a row of an array, or of a tensor of any library, which says what array it is."""
    try:
        array = _on_host(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise BadInput(f"{name} cannot be made an array of NumPy: {cause(error)}.") from error
    images = np.ascontiguousarray(channels_first(array, f"{name} is an array,", _CONVERT))
    pictures = of_array(images, name)
    return PicturesRow(name, lambda: pictures, Path(name), f"an array {images.shape}")


def _on_host(value: Any) -> np.ndarray:
    return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)


def _in_its_place(row: Given) -> Given:
    """Return what needs no process of its own as what is opened in this one."""
    if not isinstance(row, Model):
        return row
    if row.code.startswith("__main__:"):  # no other process has it
        return ObjectRow(row.name, row.open, Path(row.target))
    if row.adapter == STATISTICS:
        if row.options:
            raise BadInput(f"{row.path} is named as statistics, which have no options.")
        return StatisticsRow(row.name, row.path)
    if row.adapter != PICTURES:
        return row
    return PicturesRow(row.name, lambda: row.open().pictures, row.path, row.target)  # type: ignore[attr-defined]


def _sampler(name: str, value: Any) -> Sampler | Translator:
    if isinstance(value, type):
        raise BadInput(f"{name} is a class: give an object of it, {name}(…).")
    if isinstance(value, Sampler | Translator):
        return value  # which of them is wanted, the job knows
    if callable(value) and not hasattr(value, "state_dict"):
        return _Function(value)
    raise BadInput(
        f"{name} is of type {type(value).__name__}, which is not a sampler: give an object with "
        "sample(seeds), such as a facebench.sampler.LatentSampler around your network, or a "
        "function of a list of seeds; both return uint8 images (n, 3, height, width). What "
        "translates images has translate(sources, seeds), or is a function of both."
    )


@dataclass(frozen=True)
class _Function:
    function: Callable[..., Any]

    def sample(self, seeds: Any) -> np.ndarray:
        """Return the function's images of `seeds`."""
        return _on_host(self.function(list(seeds)))

    def translate(self, sources: Any, seeds: Any) -> np.ndarray:
        """Return the function's answers to `sources`."""
        return _on_host(self.function(sources, list(seeds)))


def _origin(value: Any) -> str:
    kind = value if hasattr(value, "__qualname__") else type(value)
    return f"{kind.__module__}.{kind.__qualname__}"
