"""How fast images are drawn and looked at: kept for the next time, and how long the rest takes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from time import monotonic
from typing import Any

from facebench.engine.block import Block
from facebench.progress import Track
from facebench.results.speeds import Speed, Work, keep_speed

_ENOUGH = 2
"""Blocks after which a speed can be told: the first has the loading of the networks in it."""


class Clock:
    """Times the work of one process."""

    def __init__(self) -> None:
        self._tell: Callable[[Speed], object] | None = None

    def tell(self, told: Callable[[Speed], object]) -> None:
        """Have `told` called once, with the first speed that is known."""
        self._tell = told

    def timed(self, track: Track, work: Work) -> Track:
        """Return `track`, of blocks, which keeps how fast they were."""
        return partial(self._timed, track, work)

    def _timed(
        self,
        track: Track,
        work: Work,
        blocks: Iterable[Block],
        description: str = "",
        total: int | float | None = None,
    ) -> Iterator[Any]:
        images, times = [0], [monotonic()]
        for block in track(blocks, description, total):
            yield block
            images.append(images[-1] + work.processes * sum(len(chunk.seeds) for chunk in block))
            times.append(monotonic())
            if self._tell and len(images) > _ENOUGH:
                tell, self._tell = self._tell, None
                tell(_speed(images, times))
        if len(images) > 1:
            keep_speed(work, _speed(images, times))


def _speed(images: Sequence[int], times: Sequence[float]) -> Speed:
    """Return the speed after the first block, unless that was the only one."""
    start = 1 if len(images) > _ENOUGH else 0
    count = images[-1] - images[start]
    return Speed(max(times[-1] - times[start], 1e-6) / count, count)
