"""What a sampler's process may take: time per batch, memory and threads."""

import math
import os
from dataclasses import dataclass

import psutil

from facebench.distributed.torchrun import local_world_size
from facebench.sandbox.control_groups import least_cores, least_memory

GIB = 1 << 30


def machine_memory() -> int:
    """Return the bytes of memory that there are, or that the container gives."""
    return min(psutil.virtual_memory().total, least_memory())


def own_cores() -> int:
    """Return how many cores this process may use, its share where torchrun started several."""
    cores = min(len(os.sched_getaffinity(0)), math.ceil(least_cores()))
    return max(cores // local_world_size(), 1)


@dataclass(frozen=True)
class Limits:
    """Beyond these a sampler is ended and its row has failed; threads it is merely told."""

    seconds: int | float = 1800
    """For opening the model, and for each batch: a thousand steps of diffusion fit in it."""
    memory: int = machine_memory() * 3 // 4
    """Bytes of all of the sampler's processes; three quarters of the machine by default."""
    threads: int | None = None
    """By default OMP_NUM_THREADS, else as many as this process has cores: none shall be idle while
    the engine waits for images."""


DEFAULT = Limits()


def limits_of(
    seconds: int | float, gibibytes: int | float | None, threads: int | None = None
) -> Limits:
    """Return the limits that a user asks for; None for the default memory and threads."""
    memory = int(gibibytes * GIB) if gibibytes else DEFAULT.memory
    return Limits(seconds, memory, threads)
