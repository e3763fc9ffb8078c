"""Processes that share work: how they meet, notice a death, and part.

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
from typing import ClassVar

from facebench.distributed.torchrun import world_size
from facebench.errors import RunFailed

LEADER = 0
_MOMENT = 0.5  # seconds
_LOST = ("connection", "gloo")


def meet(backend: str = "gloo", timeout: timedelta | None = None) -> tuple[int, int]:
    """Meet the processes that torchrun started, if any; return this one's rank, and their number."""
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
    work: ClassVar[str]
    kept: ClassVar[str]

    @property
    def leads(self) -> bool:
        """Whether this one writes."""
        return self.rank == LEADER

    @contextmanager
    def all_alive(self) -> Iterator[None]:
        """Say what a broken connection means: the frameworks' own words are of sockets."""
        try:
            yield
        except Exception as error:  # gloo's are RuntimeErrors, TensorFlow's its own
            if self.size == 1 or not _is_lost_connection(error):
                raise
            raise RunFailed(
                f"Another process of this {self.work} died. {self.kept} kept: start the same "
                "command again, and it goes on from there."
            ) from error


def _is_lost_connection(error: Exception) -> bool:
    from torch.distributed import DistError

    return isinstance(error, DistError) or any(sign in str(error).lower() for sign in _LOST)


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
