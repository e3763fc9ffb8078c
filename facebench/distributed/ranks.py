"""One evaluation by several processes: ``facebench eval … --processes K``, or torchrun.

Every process, or rank, does what a single one would, but looks at its own share of the chunks only.
Rank 0 leads: it gets the others' records, as the sealed files that they are in the store, scores,
and writes. What is exchanged are bytes in the machine's memory, so gloo carries them on GPUs, too.
"""

import atexit
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

from facebench.cache.store import FeatureStore
from facebench.distributed.torchrun import processes
from facebench.errors import RowFailed, RunFailed, as_failure, concerns_all

LEADER = 0
_PATIENCE = timedelta(days=1)  # the leader may score for long; a death is noticed at once


@dataclass(frozen=True)
class Ranks:
    """Which of how many processes this is."""

    rank: int = LEADER
    size: int = 1

    @classmethod
    def join(cls) -> "Ranks":
        """Meet the other processes, where torchrun started any."""
        if processes() == 1:
            return cls()
        if not dist.is_initialized():
            dist.init_process_group("gloo", timeout=_PATIENCE)
            # Gloo's threads let go of tensors a moment after their work is done, which aborts the
            # process if Python ends in that moment: let them end first.
            atexit.register(_leave)
        return cls(dist.get_rank(), dist.get_world_size())

    @property
    def leads(self) -> bool:
        """Whether this one scores and writes."""
        return self.rank == LEADER

    def owner(self, position: int) -> int:
        """Return whose the piece of work at `position` is."""
        return position % self.size

    def agreed(self, numbers: Sequence[int]) -> list[int]:
        """Return the leader's `numbers`, for stores may differ."""
        if self.size == 1:
            return list(numbers)
        return self._broadcast(torch.tensor(numbers, dtype=torch.int64), LEADER).tolist()

    def told(self, records: Sequence[dict[str, str]]) -> list[dict[str, str]]:
        """Return the leader's `records`."""
        if self.size == 1:
            return list(records)
        text = self._broadcast(_tensor(json.dumps(records).encode()), LEADER)
        found: list[dict[str, str]] = json.loads(bytes(text.tolist()))
        return found

    @contextmanager
    def together(self) -> Iterator[None]:
        """Fail of a model as soon as any rank does: no one goes on alone."""
        error: Exception | None = None
        try:
            yield
        except Exception as failure:
            if concerns_all(failure):
                raise
            error = failure
        words = str(as_failure(error)) if error else ""
        others = self._told(words) if self.size > 1 else []
        if error:
            raise error
        for rank, text in others:
            raise RowFailed(f"{text} (rank {rank})")

    def collect(self, records: Sequence[tuple[str, int]], store: FeatureStore) -> None:
        """Bring records, each a key and its owner, into the leader's store if they are not there.

        On one machine, or with one file system, they are: the store is the same.
        """
        if self.size == 1:
            return
        missing = [i for i, (key, _) in enumerate(records) if self.leads and not store.load(key)]
        for key, owner in (records[i] for i in self.agreed(missing)):
            if self.rank == owner:
                _send(_tensor(store.path(key).read_bytes()), LEADER)
            elif self.leads:
                store.adopt(key, _received(owner).numpy().tobytes())

    def _told(self, text: str) -> list[tuple[int, str]]:
        """Tell all others `text`, and return what those who said anything did."""
        own = _tensor(text.encode(errors="replace"))
        said = [bytes(self._broadcast(own, rank).tolist()).decode() for rank in range(self.size)]
        return [(rank, words) for rank, words in enumerate(said) if words]

    def _broadcast(self, values: Tensor, rank: int) -> Tensor:
        """Return the one-dimensional `values` of `rank`."""
        length = torch.tensor([len(values)])
        with _all_alive():
            dist.broadcast(length, rank)
            told = values if self.rank == rank else values.new_empty(int(length))
            if len(told):
                dist.broadcast(told, rank)
        return told


def _send(data: Tensor, rank: int) -> None:
    with _all_alive():
        dist.send(torch.tensor([len(data)]), rank)
        dist.send(data, rank)


def _received(rank: int) -> Tensor:
    length = torch.empty(1, dtype=torch.int64)
    with _all_alive():
        dist.recv(length, rank)
        data = torch.empty(int(length), dtype=torch.uint8)
        dist.recv(data, rank)
    return data


def _leave() -> None:
    if dist.is_initialized():  # the program that calls us may have left by itself
        dist.destroy_process_group()


@contextmanager
def _all_alive() -> Iterator[None]:
    """Say what a broken connection means: gloo's own words are of sockets."""
    try:
        yield
    except RuntimeError as error:
        raise RunFailed(
            "Another process of this evaluation died. What was finished is kept: start the same "
            "command again, and it goes on from there."
        ) from error


def _tensor(data: bytes) -> Tensor:
    return torch.frombuffer(bytearray(data), dtype=torch.uint8) if data else torch.empty(0).byte()


ALONE = Ranks()
"""No other process: nothing of torch.distributed is touched."""
