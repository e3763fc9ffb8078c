"""What a sampler's process may take: time per batch and memory."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

GIB = 1 << 30


def machine_memory() -> int:
    """Return the bytes of memory that there are, or that the container gives."""
    return min(psutil.virtual_memory().total, cgroup_memory())


def cgroup_memory(root: Path = Path("/")) -> int:
    """Return the least memory that any control group around this process gives.

    Groups are nested: a job of Slurm's or a container within a container has its limit further
    down than the root, and one further up may be less (cgroups(7), both versions).
    """
    limits = [1 << 62]
    for folder, name in _groups(root):
        for group in (folder, *folder.parents):
            with suppress(OSError, ValueError):  # no such file, or "max"
                limits.append(int((group / name).read_text()))
            if group.name == "cgroup":
                break
    return min(limits)


def _groups(root: Path) -> Iterator[tuple[Path, str]]:
    """Yield the folder of each group that this process is in, and the name of its limit's file."""
    mounted = root / "sys/fs/cgroup"
    yield mounted, "memory.max"
    yield mounted / "memory", "memory.limit_in_bytes"
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for _, controllers, path in (line.split(":", 2) for line in lines if line.count(":") > 1):
        if not controllers:
            yield mounted / path.lstrip("/"), "memory.max"
        elif "memory" in controllers.split(","):
            yield mounted / "memory" / path.lstrip("/"), "memory.limit_in_bytes"


@dataclass(frozen=True)
class Limits:
    """Beyond these a sampler is ended and its row has failed."""

    seconds: int | float = 1800
    """For opening the model, and for each batch: a thousand steps of diffusion fit in it."""
    memory: int = machine_memory() * 3 // 4
    """Bytes of all of the sampler's processes; three quarters of the machine by default."""


DEFAULT = Limits()


def limits_of(seconds: int | float, gibibytes: int | float | None) -> Limits:
    """Return the limits that a user asks for; None for the default memory."""
    return Limits(seconds, int(gibibytes * GIB)) if gibibytes else Limits(seconds)
