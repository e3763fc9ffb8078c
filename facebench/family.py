"""A process with all that it started, wherever they moved: they have a mark in their environment.

A group would lose a child that calls ``setsid``, a tree of parents one whose parent died. What
clears its environment is lost here.
"""

import contextlib
import os
import signal
from pathlib import Path

MARK = "FACEBENCH_FAMILY"
"""The variable that names the family."""
_PAGE = os.sysconf("SC_PAGE_SIZE")
_ROUNDS = 10  # of killing what was started while the last round went on


def members(family: str) -> list[int]:
    """Return the processes of `family`, this one last if it is of them."""
    wanted, found = f"{MARK}={family}".encode(), []
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):  # it ended meanwhile, or is another user's
                if wanted in Path(entry.path, "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return sorted(found, key=lambda pid: pid == os.getpid())


def memory(family: str) -> int:
    """Return how many bytes the processes of `family` hold in memory."""
    return sum(map(_resident, members(family)))


def end(family: str) -> None:
    """Kill all processes of `family`."""
    for _ in range(_ROUNDS):
        found = members(family)
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not found:
            return


def _resident(pid: int) -> int:
    try:
        return _PAGE * int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0
