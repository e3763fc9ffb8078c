"""Processes that share work: how they meet, exchange values, notice a death, and part.

A single process imports nothing of torch here.
"""

import atexit
import gc
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, TypeVar

from facebench.distributed.torchrun import world_size
from facebench.errors import RunFailed

T = TypeVar("T")
LEADER = 0
_MOMENT = 0.5  # seconds


def meet(backend: str = "gloo", timeout: timedelta | None = None) -> tuple[int, int]:
    """Meet those that torchrun started, if any; return this process's rank, and their number."""
    if world_size() == 1:
        return LEADER, 1
    from torch import distributed

    if not distributed.is_initialized():
        atexit.register(_leave)
        distributed.init_process_group(backend, timeout=timeout)
    return distributed.get_rank(), distributed.get_world_size()


@dataclass(frozen=True)
class ProcessGroup:
    """This process's place among `size` of them."""

    rank: int = LEADER
    size: int = 1
    died: ClassVar[str]
    """What to say when another one is no longer there."""

    @property
    def leads(self) -> bool:
        """Whether this one writes."""
        return self.rank == LEADER

    def gather(self, value: T) -> list[T]:
        """Return the `value` of every process, by rank."""
        if self.size == 1:
            return [value]
        from torch import distributed

        values = [value] * self.size
        with self.all_alive():
            distributed.all_gather_object(values, value)
        return values

    @contextmanager
    def all_alive(self) -> Iterator[None]:
        """Say what a broken connection means: the frameworks' own words are of sockets."""
        try:
            yield
        except Exception as error:  # gloo's are RuntimeErrors, TensorFlow's its own
            if self.size == 1 or not _is_lost_connection(error):
                raise
            raise RunFailed(
                f"{self.died}: start the same command again, and it goes on from there."
            ) from error


def _is_lost_connection(error: Exception) -> bool:
    from torch.distributed import DistError

    words = str(error).lower()
    return isinstance(error, DistError) or "connection" in words or "gloo" in words


def _leave() -> None:
    """End gloo's threads before Python ends.

    They let go of tensors a moment after their work is done, and abort the process if Python ends
    in that moment; they end with the group, which the network's hooks may still hold.
    """
    from torch import distributed

    for number in (signal.SIGINT, signal.SIGTERM):  # it is ending already
        signal.signal(number, signal.SIG_IGN)
    if distributed.is_initialized():  # the program that calls us may have left by itself
        distributed.destroy_process_group()
    gc.collect()
    time.sleep(_MOMENT)
