"""What a process depends on besides what it was told: the files it reads, the modules it loads.

Python's own audit events tell of every file that Python code opens, whoever does it. What a library
opens in C++ is not told; whoever opens it must name it.
"""

import os
import site
import sys
import sysconfig
from functools import cache
from pathlib import Path
from typing import Any

from facebench import registry

_COMPILED = {".pyc", ".pyo"}  # of sources that count themselves


class Reads:
    """Notes files and modules from the moment that :meth:`note` is an audit hook."""

    def __init__(self) -> None:
        self._read: set[str] = set()
        self._written: set[str] = set()

    def note(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Note a file that is opened; a hook must never fail, and sees every event there is."""
        if event != "open":
            return
        path, _, flags = arguments
        if isinstance(path, str | bytes) and isinstance(flags, int):
            name = os.path.abspath(os.fsdecode(path))
            (self._written if flags & (os.O_WRONLY | os.O_RDWR) else self._read).add(name)

    def files(self) -> set[str]:
        """Return the absolute paths of what was read, but for what was written meanwhile."""
        found = (self._read | _module_files()) - self._written
        return {name for name in found if _counts(name) and os.path.isfile(name)}


def _module_files() -> set[str]:
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    return {os.path.abspath(file) for file in files if isinstance(file, str)}


def _counts(name: str) -> bool:
    """Return whether a file is not of Python's, of an installed package's, or the system's own."""
    path = Path(name)
    if path.suffix in _COMPILED or {"site-packages", "dist-packages"} & set(path.parts):
        return False
    return not any(path.is_relative_to(folder) for folder in _elsewhere())


@cache
def _elsewhere() -> tuple[Path, ...]:
    """Return the folders of what is keyed by its version, or by its content already."""
    python = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    builtin = (Path(__file__).parent, *registry.builtin_folders())
    system = ("/dev", "/proc", "/sys", "/etc", "/usr/lib", "/usr/share")
    return (*map(Path, python), *map(Path, site.getsitepackages()), *builtin, *map(Path, system))
