"""What takes how long while images are drawn and looked at."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Clock:
    """Seconds by phase, and how many images went through: those that were kept cost nothing."""

    seconds: dict[str, float] = field(default_factory=dict)
    images: int = 0

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add what happens inside to the phase `name`."""
        started = time.monotonic()
        try:
            yield
        finally:
            passed = time.monotonic() - started
            self.seconds[name] = self.seconds.get(name, 0.0) + passed
