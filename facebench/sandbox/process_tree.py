"""A sampler's process with all that it started, wherever they moved: its session, and its mark.

A session alone would lose a child that calls ``setsid``, the mark in the environment one that
clears it or that others must not read. Only what does both is lost.
"""

import contextlib
import os
from dataclasses import dataclass

import psutil

MARK = "FACEBENCH_PROCESS_TREE"
"""The environment variable that marks the processes of a tree."""
_ROUNDS = 10  # of killing what was started while the last round went on


@dataclass(frozen=True)
class ProcessTree:
    """The processes with one mark, the first of which leads a session of its own."""

    mark: str
    leader: int

    def processes(self) -> list[psutil.Process]:
        """Return those that live."""
        return [process for process in psutil.process_iter() if self._holds(process)]

    def memory(self) -> int:
        """Return how many bytes all of them hold in memory."""
        held = 0
        for process in self.processes():
            with contextlib.suppress(psutil.Error):  # it ended meanwhile
                held += process.memory_info().rss
        return held

    def kill(self) -> None:
        """Kill all of them, but for this process if it is one."""
        for _ in range(_ROUNDS):
            found = [process for process in self.processes() if process.pid != os.getpid()]
            for process in found:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            if not found:
                return

    def _holds(self, process: psutil.Process) -> bool:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            is_of_session = os.getsid(process.pid) == self.leader
            return is_of_session or process.environ().get(MARK) == self.mark
        except (psutil.Error, OSError):  # it ended meanwhile, is another user's, or hides itself
            return False
