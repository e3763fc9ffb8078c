"""What fails beside a training must not end it: a warning, once, and on it goes."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from facebench.errors import cause


class GoingOn:
    """Turns errors into warnings, one for each thing that fails."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    @contextmanager
    def after(self, what: str) -> Iterator[None]:
        """Warn of an error in `what` unless that is known to fail."""
        try:
            yield
        except Exception as error:
            if what not in self._told:
                self._told.add(what)
                told = f"{what} failed ({cause(error)}): training goes on without"
                warnings.warn(f"{told}, and this is not said again.", stacklevel=4)
