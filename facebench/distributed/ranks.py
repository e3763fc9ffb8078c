"""One evaluation by several processes: ``facebench eval … --processes K``, or torchrun.

Every process, or rank, does what a single one would, but extracts features of its own share of the
chunks only. Rank 0 leads: it gets the others' records, as the sealed files that they are in the
store, scores, and writes. What is exchanged are bytes in the machine's memory, so gloo carries them
on GPUs, too; nothing is pickled.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from facebench.cache.store import FeatureStore
from facebench.distributed.process_group import LEADER, ProcessGroup, meet
from facebench.errors import RowFailed, as_failure, concerns_all

_PATIENCE = timedelta(days=1)  # the leader may score for long; a death is noticed at once


class Ranks(ProcessGroup):
    """Which of how many processes this is."""

    work, kept = "evaluation", "What was finished is"

    @classmethod
    def join(cls) -> "Ranks":
        """Meet the other processes, where torchrun started any."""
        return cls(*meet(timeout=_PATIENCE))

    def owner(self, position: int) -> int:
        """Return whose the piece of work at `position` is."""
        return position % self.size

    def agreed(self, numbers: Sequence[int]) -> list[int]:
        """Return the leader's `numbers`, for stores may differ."""
        found: list[int] = self._of_leader([int(number) for number in numbers])
        return found

    def told(self, records: Sequence[dict[str, str]]) -> list[dict[str, str]]:
        """Return the leader's `records`."""
        found: list[dict[str, str]] = self._of_leader(list(records))
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
        own = str(as_failure(error)) if error else ""
        reasons = [self._broadcast(own, rank) for rank in range(self.size)]
        if error:
            raise error
        for rank, reason in enumerate(reasons):
            if reason:
                raise RowFailed(f"{reason} (rank {rank})")

    def collect(self, records: Sequence[tuple[str, int]], store: FeatureStore) -> None:
        """Bring records, each a key and its owner, into the leader's store if they are not there.

        On one machine, or with one file system, they are: the store is the same.
        """
        if self.size == 1:
            return
        missing = [i for i, (key, _) in enumerate(records) if self.leads and not store.load(key)]
        for key, owner in (records[i] for i in self.agreed(missing)):
            if self.rank == owner:
                self._send(_tensor(store.path(key).read_bytes()), LEADER)
            elif self.leads:
                store.adopt(key, self._received(owner).numpy().tobytes())

    def _of_leader(self, value: Any) -> Any:
        return json.loads(self._broadcast(json.dumps(value), LEADER))

    def _broadcast(self, text: str, rank: int) -> str:
        """Return the `text` of `rank`."""
        if self.size == 1:
            return text
        data = _tensor(text.encode(errors="replace"))
        length = torch.tensor([len(data)])
        with self.all_alive():
            dist.broadcast(length, rank)
            told = data if self.rank == rank else data.new_empty(int(length))
            if len(told):
                dist.broadcast(told, rank)
        return bytes(told.tolist()).decode()

    def _send(self, data: Tensor, rank: int) -> None:
        with self.all_alive():
            dist.send(torch.tensor([len(data)]), rank)
            dist.send(data, rank)

    def _received(self, rank: int) -> Tensor:
        length = torch.empty(1, dtype=torch.int64)
        with self.all_alive():
            dist.recv(length, rank)
            data = torch.empty(int(length), dtype=torch.uint8)
            dist.recv(data, rank)
        return data


def _tensor(data: bytes) -> Tensor:
    return torch.frombuffer(bytearray(data), dtype=torch.uint8) if data else torch.empty(0).byte()


ALONE = Ranks()
"""No other process: nothing of torch.distributed is touched."""
