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

from facebench.plugins import registry


class Reads:
    """The files that are opened while this context lasts, and the modules loaded since."""

    def __init__(self) -> None:
        self._heard: set[str] = set()
        self._before = set(sys.modules)
        self._owner, self._forked = os.getpid(), os.memfd_create("facebench-reads")

    def __enter__(self) -> "Reads":
        _hook()
        _listening.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _listening.remove(self)

    def note(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Note a file that is opened; a hook must never fail, and sees every event there is."""
        if event != "open":
            return
        path, _, flags = arguments
        if isinstance(path, str | bytes) and isinstance(flags, int):
            name = os.path.abspath(os.fsdecode(path))
            is_new = flags & (os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            self._tell(f"{'w' if is_new else 'r'}{name}")

    def _tell(self, line: str) -> None:
        """Note a line; forked processes, as data loaders start them, write it to a common file."""
        if os.getpid() != self._owner and line not in self._heard:
            os.write(self._forked, os.fsencode(line) + b"\0")
        self._heard.add(line)

    def files(self) -> set[str]:
        """Return the absolute paths of what was read, but for what was written anew meanwhile."""
        told = os.pread(self._forked, os.fstat(self._forked).st_size, 0).split(b"\0")
        heard = self._heard | {os.fsdecode(line) for line in told if line}
        read, written = ({n[1:] for n in heard if n[0] == kind} for kind in "rw")
        loaded = [module for name, module in list(sys.modules.items()) if name not in self._before]
        sources = (getattr(module, "__file__", None) for module in loaded)
        found = read | {os.path.abspath(file) for file in sources if isinstance(file, str)}
        return {n for n in found - written if counts(n) and os.path.isfile(n)}


_listening: list[Reads] = []


@cache
def _hook() -> None:
    """Add the hook, once: none can be taken away."""

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        for reads in _listening:
            reads.note(event, arguments)

    sys.addaudithook(hear)


def counts(name: str) -> bool:
    """Return whether a file is not of Python's, of an installed package's, or the kernel's own."""
    path = Path(name)
    if is_of_the_kernel(name) or path.suffix in (".pyc", ".pyo"):  # their sources count
        return False
    if {"site-packages", "dist-packages"} & set(path.parts):
        return False
    return not any(path.is_relative_to(folder) for folder in _elsewhere())


@cache
def _elsewhere() -> tuple[Path, ...]:
    """Return the folders of what is keyed by its version, or by its content already."""
    python = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    builtin = (Path(__file__).parents[1], *registry.builtin_folders())
    return (*map(Path, python), *map(Path, site.getsitepackages()), *builtin)


def is_of_the_kernel(name: str) -> bool:
    """Return whether a file is not on a disk: what reads as one may never end."""
    is_device = name.startswith("/dev/") and not name.startswith("/dev/shm/")
    return is_device or name.startswith(("/proc/", "/sys/"))
