"""From what users write, on the command line or in a notebook, to the rows of the board to be."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from facebench.engine.sanity import SanityRow
from facebench.errors import BadInput
from facebench.plugins.model_spec import Model, check_name, parse_models, parse_named
from facebench.sampler import Sampler


@dataclass(frozen=True)
class ObjectRow:
    """A sampler that is an object of this process."""

    name: str
    open: Callable[[str], Sampler]
    """Returns the sampler, to compute on a device if it lets itself be told."""
    path: Path
    """What it is, for it lies nowhere."""
    adapter: str = "object"

    @property
    def target(self) -> str:
        """What a Result records of it."""
        return str(self.path)


Entry = Model | ObjectRow | SanityRow
"""Whatever becomes a row of the board."""

Models = Any
"""``"dcgan,mine=vae:path"``, a parsed Model, a sampler or a function of seeds, a sequence of these,
or a mapping of names to these."""


def parse_entries(models: Models) -> list[Model | ObjectRow]:
    """Return the rows that `models` means, or raise BadInput."""
    rows = [_in_its_place(row) for row in _rows(models)]
    names = [row.name for row in rows]
    for name in names:
        if names.count(name) > 1:
            raise BadInput(
                f"Two models are called {name!r}: give every row a name of its own, as in "
                "a=…,b=… or {'a': …, 'b': …}."
            )
    return rows


def _rows(models: Models) -> Iterable[Model | ObjectRow]:
    match models:
        case str():
            return parse_models(models)
        case Mapping():
            return [_row(str(name), value) for name, value in models.items()]
        case list() | tuple():
            return [row for each in models for row in _rows(each)]
    return [_row("", models)]


def _row(name: str, value: Any) -> Model | ObjectRow:
    match value:
        case Model():
            return replace(value, name=name or value.name)
        case str() | PathLike():
            return parse_named(name or Path(value).stem, str(value))
    name = name or re.sub(r"\W", "", getattr(value, "__name__", type(value).__name__))
    sampler = _sampler(check_name(name), value)
    return ObjectRow(name, lambda _: sampler, Path(_origin(value)))


def _in_its_place(row: Model | ObjectRow) -> Model | ObjectRow:
    """Return a model whose code is this program's own as an object: no other process has it."""
    if isinstance(row, Model) and row.code.startswith("__main__:"):
        return ObjectRow(row.name, row.open, Path(row.target))
    return row


def _sampler(name: str, value: Any) -> Sampler:
    if isinstance(value, type):
        raise BadInput(f"{name} is a class: give an object of it, {name}(…).")
    if isinstance(value, Sampler):
        return value
    if callable(value) and not hasattr(value, "state_dict"):
        return _Function(value)
    raise BadInput(
        f"{name} is of type {type(value).__name__}, which is not a sampler: give an object with "
        "sample(seeds), such as a facebench.sampler.LatentSampler around your network, or a "
        "function of a list of seeds; both return uint8 images (n, 3, height, width)."
    )


@dataclass(frozen=True)
class _Function:
    function: Callable[[list[int]], Any]

    def sample(self, seeds: Any) -> np.ndarray:
        """Return the function's images of `seeds`."""
        images = self.function(list(seeds))
        return np.asarray(images.detach().cpu() if hasattr(images, "detach") else images)


def _origin(value: Any) -> str:
    kind = value if hasattr(value, "__qualname__") else type(value)
    return f"{kind.__module__}.{kind.__qualname__}"
