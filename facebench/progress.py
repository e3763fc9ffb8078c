"""Progress bars on standard error, so that standard output stays the command's answer."""

from collections.abc import Callable, Iterable
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TimeElapsedColumn,
    TimeRemainingColumn,
    track,
)

Track = Callable[..., Iterable[Any]]
"""``track(iterable, description, total) -> iterable``, showing progress or not."""


def silent(
    items: Iterable[Any], description: str = "", total: int | float | None = None
) -> Iterable[Any]:
    """Show nothing."""
    return items


def bar(
    items: Iterable[Any], description: str = "", total: int | float | None = None
) -> Iterable[Any]:
    """Show a progress bar on standard error while it lasts, if that is a terminal."""
    console = Console(stderr=True)
    hidden = not console.is_terminal
    return track(items, description, total, console=console, transient=True, disable=hidden)


def training_bar() -> Progress:
    """Return a bar of steps, which stays; its field `note` shows losses and speed."""
    shown = ("{task.description}", BarColumn(24), MofNCompleteColumn(), "{task.fields[note]}")
    times = (TimeElapsedColumn(), "left", TimeRemainingColumn())
    return Progress(*shown, *times, console=Console(stderr=True))
