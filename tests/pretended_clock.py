"""A clock that a test moves on, so that what is seen of time depends on no machine's speed."""

from collections.abc import Callable
from typing import Any

import pytest


class Clock:
    """Stands in for the module `time` wherever trainings look at it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        for module in ("time_limit", "recorder"):
            monkeypatch.setattr(f"facebench.training.{module}.time", self)

    def monotonic(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds

    def slowed(self, step: Callable[..., Any], seconds: float) -> Callable[..., Any]:
        """Return `step`, of which each takes so many `seconds`."""

        def taking(*arguments: Any) -> Any:
            self.pass_by(seconds)
            return step(*arguments)

        return taking
