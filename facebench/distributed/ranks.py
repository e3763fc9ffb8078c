"""One evaluation by several processes: ``facebench eval … --processes K``, or torchrun.

Every process, or rank, does what a single one would, but extracts features of its own share of the
chunks only. Rank 0 leads: it gets the others' records, as the sealed files that they are in the
store, scores, and writes. What is exchanged are bytes in the machine's memory, so gloo carries them
on GPUs, too.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

from torch import distributed

from facebench.cache.store import FeatureStore, Record
from facebench.distributed.process_group import LEADER, ProcessGroup, T, meet
from facebench.errors import RowFailed, as_failure, concerns_all

_PATIENCE = timedelta(days=1)  # the leader may score for long; a death is noticed at once


class Ranks(ProcessGroup):
    """Which of how many processes this is."""

    died = "Another process of this evaluation died. What was finished is kept"

    @classmethod
    def join(cls) -> "Ranks":
        """Meet the other processes, where torchrun started any."""
        return cls(*meet(timeout=_PATIENCE))

    def owner(self, position: int) -> int:
        """Return whose the piece of work at `position` is."""
        return position % self.size

    def told(self, value: T) -> T:
        """Return the leader's `value`."""
        if self.size == 1:
            return value
        values = [value]
        with self.all_alive():
            distributed.broadcast_object_list(values, LEADER)
        return values[0]

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
        reasons = self.gather(str(as_failure(error)) if error else "")
        if error:
            raise error
        for rank, reason in enumerate(reasons):
            if reason:
                raise RowFailed(f"{reason} (rank {rank})")

    def collect(self, owners: Mapping[str, int], store: FeatureStore) -> dict[str, Record]:
        """Return, in the leader, the records of other ranks by their keys.

        They are brought into the leader's store if they are not there; on one machine, or with one
        file system, they are: the store is the same.
        """
        others = {key: owner for key, owner in owners.items() if owner != LEADER}
        found = {key: store.load(key) for key in others} if self.leads else {}
        for key in self.told([key for key, record in found.items() if not record]):
            owner = others[key]
            if self.rank == owner:
                record = [store.path(key).read_bytes()]
                with self.all_alive():
                    distributed.send_object_list(record, LEADER)
            elif self.leads:
                record = [b""]
                with self.all_alive():
                    distributed.recv_object_list(record, owner)
                found[key] = store.adopt(key, record[0])
        return {key: record for key, record in found.items() if record}


ALONE = Ranks()
"""No other process: nothing of torch.distributed is touched."""
