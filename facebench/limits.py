"""What a sampler's process may take: time per batch and memory."""

import os
from dataclasses import dataclass
from pathlib import Path

GIB = 1 << 30
_PAGE = os.sysconf("SC_PAGE_SIZE")
_SHARE = 0.75  # of the memory that is there


def machine_memory() -> int:
    """Return the bytes of memory that there are, or that the container gives."""
    return min(os.sysconf("SC_PHYS_PAGES") * _PAGE, _cgroup_memory())


def _cgroup_memory() -> int:
    """Return the memory that the container gives, where there is one that says so."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            return int((Path("/sys/fs/cgroup") / name).read_text())
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return 1 << 62


@dataclass(frozen=True)
class Limits:
    """Beyond these a sampler is ended and its row has failed."""

    seconds: int | float = 1800
    """For opening the model, and for each batch: a thousand steps of diffusion fit in it."""
    memory: int = int(_SHARE * machine_memory())
    """Bytes of all of the sampler's processes; three quarters of the machine by default."""


DEFAULT = Limits()


def limits_of(seconds: int | float, gibibytes: int | float | None) -> Limits:
    """Return the limits that a user asks for; None for the default memory."""
    return Limits(seconds, int(gibibytes * GIB)) if gibibytes else Limits(seconds)
