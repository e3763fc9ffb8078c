"""Code of the user's own: found as Python finds it and then in the current folder, or a file."""

import importlib
import inspect
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from facebench.errors import BadInput, cause

_PYTHON = sysconfig.get_path("stdlib")


def import_function(code: str) -> Callable[..., Any]:
    """Return the function that ``module:function`` or ``file.py:function`` names.

    A module is looked for among the installed ones, then in the current folder. A file may import
    what lies beside it, and relatively if its folder has an ``__init__.py``.

    Raises:
        BadInput: the module cannot be imported or has no such function.
    """
    home, _, name = code.rpartition(":")
    if home.endswith(".ipynb"):
        raise BadInput(
            f"{home} is a notebook, which cannot be imported: save it as a script, by jupyter "
            f"nbconvert --to script {home}, and give {home.removesuffix('.ipynb')}.py:{name}."
        )
    importlib.invalidate_caches()  # the file may have been written just now
    find = _of_file if home.endswith(".py") else _of_name
    with blamed(code, "cannot be imported"):
        module = find(home, name)
    function: Any = module
    for part in name.split("."):  # of a class, perhaps
        function = getattr(function, part, None)
    if not callable(function):
        callables = [(key, value) for key, value in vars(module).items() if callable(value)]
        own = [k for k, v in callables if getattr(v, "__module__", None) == module.__name__]
        has = f"; it has {', '.join(own[:10])}" if own else ""
        raise BadInput(f"The module {home} has no function {name!r} for {code}{has}.")
    return function


def call(code: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what the user's `function`, that `code` names, gives for `arguments`.

    Raises:
        BadInput: it takes other arguments, or fails.
    """
    check_arguments(code, function, len(arguments))
    with blamed(code, "fails"):
        return function(*arguments)


def check_arguments(code: str, function: Callable[..., Any], count: int) -> None:
    """Raise BadInput if `function`, that `code` names, cannot be called with `count` arguments."""
    if takes(function, count):
        return
    name, given = code.rpartition(":")[2], ", ".join(f"a{i}" for i in range(count))
    raise BadInput(
        f"{code} takes the arguments {inspect.signature(function)}, where it is called with "
        f"{count or 'none'}: name a function that calls it, as in def build({given}): return "
        f"{name}(…)."
    )


def takes(function: Callable[..., Any], count: int) -> bool:
    """Return whether `function` can be called with `count` arguments, as far as one can know."""
    try:
        inspect.signature(function).bind(*[None] * count)
    except TypeError:
        return False
    except ValueError:  # some built-in callables have no signature
        return True
    return True


@contextmanager
def blamed(code: str, fails: str) -> Iterator[None]:
    """Turn what the user's own code raises into one sentence; it is run as if without arguments."""
    argv, sys.argv = sys.argv, [code.rpartition(":")[0]]
    try:
        yield
    except BadInput:
        raise
    except SystemExit as error:
        raise BadInput(
            f"The code {code} {fails}: it ends the program (exit code {error.code}); put what it "
            "does as a script, such as parsing arguments, under if __name__ == '__main__':."
        ) from error
    except Exception as error:
        reason = str(error) if isinstance(error, ImportError) else cause(error)
        hint = "; put an empty __init__.py beside it" if "no known parent" in reason else ""
        said = f"{reason.rstrip('.')}{_place(error)}{hint}"
        raise BadInput(f"The code {code} {fails}: {said}.") from error
    finally:
        sys.argv = argv


def _place(error: Exception) -> str:
    """Say in which line of the user's it was: the last that is neither Python's nor a library's."""
    known = (_PYTHON, sysconfig.get_path("purelib"), "<frozen", __file__)
    frames = traceback.extract_tb(error.__traceback__)
    own = [each for each in frames if not each.filename.startswith(known)]
    if isinstance(error, SyntaxError) or not own:  # which says it itself
        return ""
    return f" ({own[-1].filename}, line {own[-1].lineno})"


def _of_name(module: str, function: str) -> ModuleType:
    if module == "__main__":  # of a notebook, say, which is loaded but has no place
        return sys.modules[module]
    folder = str(Path.cwd())
    top = module.partition(".")[0]
    here, found = PathFinder.find_spec(top, [folder]), spec_of(top)
    if here and found and len({here.origin, found.origin} - {None}) > 1:
        is_package = here.submodule_search_locations is not None
        way_out = "rename the folder" if is_package else f"give {top}.py:{function} for yours"
        raise BadInput(f"{top} is a module of this folder and also {_described(found)}: {way_out}.")
    if folder not in sys.path:
        sys.path.append(folder)  # for good: the code may import more when it is called
    if not here and not found:
        raise BadInput(
            f"The code {module}:{function} cannot be imported: No module named {top!r} is "
            f"installed or in {folder}; a file elsewhere is FILE.py:{function}."
        )
    return importlib.import_module(module)


def _of_file(name: str, function: str) -> ModuleType:
    path = Path(name).expanduser().resolve()
    if not path.is_file():
        raise BadInput(f"There is no file {path} for {name}:{function}: check the path.")
    home, names = path.parent, [path.stem]
    while (home / "__init__.py").is_file():
        home, names = home.parent, [home.name, *names]
    _make_importable(path.parent)
    if len(names) > 1:
        return _of_package(path, home, names)
    # A name of its own: the file may be called as a module of Python's.
    spec = spec_from_file_location(f"facebench_code_{path.stem}", path)
    assert spec and spec.loader, "it ends in .py"
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _of_package(path: Path, home: Path, names: list[str]) -> ModuleType:
    _make_importable(home)
    found = spec_of(names[0])
    if not found or found.origin != str(home / names[0] / "__init__.py"):
        other = _described(found) if found else "no name of a module"
        raise BadInput(
            f"{path} is in a package called {names[0]}, which is also {other}: rename the folder, "
            "or remove its __init__.py."
        )
    return importlib.import_module(".".join(names).removesuffix(".__init__"))


def _make_importable(folder: Path) -> None:
    """Let what lies in `folder` be imported: before what is installed, but not before Python's."""
    if str(folder) not in sys.path:
        python = [i for i, place in enumerate(sys.path) if place.startswith(_PYTHON)]
        own = [i for i in python if "site-packages" not in sys.path[i]]
        sys.path.insert(max(own, default=-1) + 1, str(folder))


def spec_of(name: str) -> ModuleSpec | None:
    """Return where the installed module `name` is, if there is one; it is not imported."""
    try:
        return find_spec(name)
    except ValueError:  # __main__ has none
        return None


def _described(spec: ModuleSpec) -> str:
    origin = spec.origin or spec.name
    is_pythons = origin.startswith(_PYTHON) and "site-packages" not in origin
    is_pythons = is_pythons or spec.name in sys.stdlib_module_names
    return "one of Python's own" if is_pythons else origin


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
    found = spec_of(package) or PathFinder.find_spec(package, [str(Path.cwd())])
    if found and found.submodule_search_locations is not None:  # with __init__.py or without
        homes = map(Path, found.submodule_search_locations)
        return [file for home in homes for file in sorted(home.rglob("*.py"))]
    return [Path(found.origin)] if found and found.has_location and found.origin else []
