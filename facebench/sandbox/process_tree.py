"""A process with all that it started, wherever they moved: its session, and who has its mark.

A session alone would lose a child that calls ``setsid``, the mark in the environment one that
clears it or that others must not read. Only what does both is lost.
"""

import contextlib
import os
import signal
from pathlib import Path

MARK = "FACEBENCH_FAMILY"
"""The variable that names the family."""
_PAGE = os.sysconf("SC_PAGE_SIZE")
_ROUNDS = 10  # of killing what was started while the last round went on


def members(name: str, leader: int) -> list[int]:
    """Return the processes of the family `name`, whose first one led a session of its own."""
    wanted, found = f"{MARK}={name}".encode(), []
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):  # it ended meanwhile
                state, _, _, session = _stat(entry.path)[:4]
                if state != "Z" and (int(session) == leader or wanted in _environment(entry.path)):
                    found.append(int(entry.name))
    return found


def memory(name: str, leader: int) -> int:
    """Return how many bytes the family holds in memory."""
    return sum(map(_resident, members(name, leader)))


def end(name: str, leader: int) -> None:
    """Kill the family, but for this process if it is of it."""
    for _ in range(_ROUNDS):
        found = [pid for pid in members(name, leader) if pid != os.getpid()]
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not found:
            return


def _stat(process: str) -> list[str]:
    """Return the fields of ``/proc/PID/stat`` from the third on (see proc(5))."""
    return Path(process, "stat").read_text(errors="replace").rpartition(")")[2].split()


def _environment(process: str) -> list[bytes]:
    try:
        return Path(process, "environ").read_bytes().split(b"\0")
    except PermissionError:  # it is another user's, or hides itself
        return []


def _resident(pid: int) -> int:
    try:
        return _PAGE * int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0
