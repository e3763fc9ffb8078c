"""Ctrl-C, asked and not obeyed at once: the loop finishes its step and keeps a checkpoint."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupt:
    """Whether somebody asked to stop, and by which signal."""

    asked: int | None = None


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Note SIGINT and SIGTERM instead of dying of them; a second one kills as usual."""
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt  # only the main thread may set handlers
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def ask(number: int, frame: FrameType | None) -> None:
        interrupt.asked = number
        restore()

    for number in before:
        signal.signal(number, ask)
    try:
        yield interrupt
    finally:
        restore()
