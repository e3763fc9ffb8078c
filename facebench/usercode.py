"""Code of the user's own: found as Python finds it and then in the current folder."""

import importlib
import sys
from collections.abc import Callable
from hashlib import sha256
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from facebench.errors import BadInput


def import_function(code: str) -> Callable[..., Any]:
    """Return the function that ``module:function`` names.

    Raises:
        BadInput: the module cannot be imported or has no such function.
    """
    module, _, name = code.partition(":")
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.append(folder)  # for good: the code may import more when it is called
    importlib.invalidate_caches()  # the file may have been written just now
    try:
        function = getattr(importlib.import_module(module), name, None)
    except ImportError as error:
        raise BadInput(f"The code {code} cannot be imported: {error}.") from error
    if not callable(function):
        raise BadInput(f"The module {module} has no function {name!r} for {code}.")
    return function


def sources_digest(*modules: str) -> str:
    """Return a digest of the sources of the packages that `modules` are of, or "" without any.

    Nothing is imported.
    """
    importlib.invalidate_caches()
    sources = [file for module in modules for file in _sources(module.partition(".")[0])]
    return sha256(b"".join(map(Path.read_bytes, sources))).hexdigest() if sources else ""


def _sources(package: str) -> list[Path]:
    if package == "__main__":  # it has no spec
        script = getattr(sys.modules[package], "__file__", None)
        return [Path(script)] if script else []
    found = find_spec(package) or PathFinder.find_spec(package, [str(Path.cwd())])
    if found is None:
        return []
    homes = found.submodule_search_locations  # of a package, with __init__.py or without
    if homes is not None:
        return [file for home in homes for file in sorted(Path(home).rglob("*.py"))]
    return [Path(found.origin)] if found.has_location and found.origin else []
