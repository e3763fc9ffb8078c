"""Adapters, trainers and reporters are found by entry point and loaded on first use.

Built-in ones enter by the same door as anyone's: a package that declares
``[project.entry-points."facebench.adapters"]`` is on the list as soon as it is installed.
"""

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facebench.errors import BadInput
from facebench.plugins.user_code import sources_digest

if TYPE_CHECKING:
    from facebench.sampler import Images

_OF_THE_ENGINE = {"code", "device", "sources"}
"""Keywords of an adapter that are no options of the user's."""


def names(kind: str) -> list[str]:
    """Return the sorted names registered for `kind`: "adapters", "metrics", "reporters", ...

    A name that begins with an underscore is not for users.
    """
    return sorted({entry.name for entry in _entries(kind) if not entry.name.startswith("_")})


def find(kind: str, name: str) -> Any:
    """Load the object registered as `name`, or say what is missing and how to get it."""
    entry = _entry(kind, name)
    try:
        return entry.load()
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        home = _home(entry)
        wanted = f"{home}[{name}]" if home == "facebench" else home
        raise BadInput(
            f"The {kind[:-1]} {name!r} needs the package {package!r}, which is not installed: "
            f"pip install '{wanted}'"
        ) from error


def home(kind: str, name: str) -> str:
    """Return the name of the package, as pip knows it, that brings what is registered as `name`."""
    return _home(_entry(kind, name))


def load(
    adapter: str,
    path: str | Path,
    options: Mapping[str, object] | None = None,
    code: str = "",
    device: str = "cpu",
    sources: "Images | None" = None,
) -> Any:
    """Return the sampler, or the translator of `sources`, that an adapter makes of a model.

    An adapter that opens both has what opens translators as its attribute ``translator``. Whether
    it is the one that is wanted, :mod:`facebench.translator` says.

    Args:
        adapter: its registered name.
        path: the model's file or folder.
        options: keyword arguments of the adapter, which is given them as text.
        code: the user's own ``module:function`` or ``file.py:function``, for an adapter that takes
            `code`.
        device: the torch device to compute on, for an adapter that takes `device`.
        sources: some of those that a translator will be given, for an adapter that takes `sources`.
    """
    factory: Callable[..., Any] = find("adapters", adapter)
    if sources is not None:
        factory = getattr(factory, "translator", factory)
    given = {name: as_text(value) for name, value in (options or {}).items()}
    known = _keywords(factory)
    if code and "code" not in known:
        if code == str(path):
            raise BadInput(f"The adapter {adapter!r} takes a path, and there is none at {path}.")
        raise BadInput(f"The adapter {adapter!r} takes no code: give {path} without {code}@.")
    options_known = known - _OF_THE_ENGINE
    for name in given:
        if name not in options_known:
            if name == "device":
                raise BadInput("A model computes on the evaluation's device: give --device.")
            there = ", ".join(sorted(options_known)) or "none"
            raise BadInput(f"The adapter {adapter!r} has no option {name!r}; there are: {there}.")
    ours: dict[str, Any] = {"code": code} if code else {}
    if "device" in known:
        ours["device"] = device
    if "sources" in known:
        ours["sources"] = sources
    try:
        return factory(Path(path).expanduser(), **given, **ours)
    except FileNotFoundError as error:
        raise BadInput(f"There is no file or folder {error.filename or path}: check it.") from error


def as_text(option: object) -> str:
    """Return an option as on the command line.

    >>> as_text(100), as_text((100, 1, 1))
    ('100', '100x1x1')
    """
    if isinstance(option, list | tuple):
        return "x".join(map(as_text, option))
    return str(int(option)) if isinstance(option, float) and option.is_integer() else str(option)


def _keywords(factory: Callable[..., Any]) -> set[str]:
    """Return the names of what a factory takes besides the path."""
    try:
        parameters = list(signature(factory).parameters.values())
    except (TypeError, ValueError):  # some built-in callables have no signature
        return set()
    return {p.name for p in parameters[1:] if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)}


def origin(adapter: str) -> str:
    """Return which code `adapter` is: its entry point, its version, and a digest of its sources.

    Packages that come in one distribution may use each other, so all of them are its sources; of
    facebench itself see :data:`facebench.engine.environment.FEATURE_CODE`.
    Nothing is imported: an adapter may bring a framework that this process must not load.
    """
    entry = _entry("adapters", adapter)
    version = entry.dist.version if entry.dist else ""
    sources = sources_digest(*sorted(_packages(_home(entry)) - {"facebench"}))
    return " ".join(filter(None, (entry.value, version, sources)))


def builtin_folders() -> list[Path]:
    """Return the folders of the packages that come with facebench."""
    specs = filter(None, map(find_spec, sorted(_packages("facebench"))))
    return [Path(folder) for spec in specs for folder in spec.submodule_search_locations or ()]


def _packages(home: str) -> set[str]:
    """Return the packages of the adapters that the distribution `home` brings."""
    adapters = [entry for entry in _entries("adapters") if _home(entry) == home]
    return {entry.module.partition(".")[0] for entry in adapters}


def _home(entry: EntryPoint) -> str:
    """Return the name of the distribution that brings it."""
    return entry.dist.name if entry.dist else entry.module


def _entries(kind: str) -> EntryPoints:
    return _entries_on(tuple(map(_state, sys.path)), kind)


@lru_cache
def _entries_on(path: tuple[tuple[str, int], ...], kind: str) -> EntryPoints:
    """Return what the packages on `path` declare, which takes 10 ms to read."""
    return entry_points(group=f"facebench.{kind}")


def _state(folder: str) -> tuple[str, int]:
    """Return a folder with the time when something was last installed in it."""
    with suppress(OSError):  # a zip, or a folder that is gone
        return folder, os.stat(folder or ".").st_mtime_ns
    return folder, 0


def _entry(kind: str, name: str) -> EntryPoint:
    for entry in _entries(kind):
        if entry.name == name:
            return entry
    raise BadInput(f"There is no {kind[:-1]} {name!r}; there are: {', '.join(names(kind))}.")
