"""Records on their way from the device to the store, while the device computes the next."""

from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from facebench.cache.store import FeatureStore, Record

_ON_THEIR_WAY = 1
"""Blocks that are computed and not kept yet, when the next may begin: a GPU never waits for the
disk, and its memory never holds more."""


class Keeper:
    """A thread that waits for records, and keeps them in `store`; `found` is told of each.

    What goes wrong there is raised when the next is handed over, or at the end.
    """

    def __init__(self, store: FeatureStore, found: dict[str, Record]):
        self._store, self._found = store, found
        self._thread = ThreadPoolExecutor(1, "facebench-keeper")
        self._pending: deque[Future[None]] = deque()

    def __enter__(self) -> "Keeper":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown()  # what is computed is kept, whatever went wrong since
        if kind is None:
            self.finish()

    def keep(self, records: Mapping[str, Callable[[], Record]]) -> None:
        """Keep by its key what each of the functions waits for."""
        self._pending.append(self._thread.submit(self._keep, records))
        while len(self._pending) > _ON_THEIR_WAY:
            self._pending.popleft().result()

    def finish(self) -> None:
        """Wait until everything is kept."""
        while self._pending:
            self._pending.popleft().result()

    def _keep(self, records: Mapping[str, Callable[[], Record]]) -> None:
        for key, wait in records.items():
            self._found[key] = self._store.save(key, wait())
