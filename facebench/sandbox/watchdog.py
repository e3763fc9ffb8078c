"""A sampler's process: started, marked, watched for its death and its memory, killed as a whole."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import psutil

from facebench.sandbox.limits import GIB
from facebench.sandbox.output import Output
from facebench.sandbox.process_tree import MARK, ProcessTree

_SECONDS = 1.0  # from one look at its memory to the next


class WatchedProcess:
    """A process of :mod:`facebench.sandbox.worker`, killed when it takes too much memory."""

    def __init__(self, memory: int, environment: Mapping[str, str], files: Sequence[int] = ()):
        """Start it in an `environment`; all of its processes may hold `memory` bytes.

        It has the open `files`, by the same numbers.
        """
        mark = uuid.uuid4().hex
        self._process, self.answers = _start(mark, environment, files)
        self.tree = ProcessTree(mark, self._process.pid)
        self.output = Output(self._process)
        self._memory, self._overrun = memory, ""
        self._killing, self._ended = threading.Lock(), threading.Event()
        threading.Thread(target=self._watch_memory, daemon=True).start()

    def send(self, request: dict[str, Any]) -> None:
        """Send a request, without waiting for a process that does not listen."""
        threading.Thread(target=self._send, args=(request,), daemon=True).start()

    def memory_overrun(self) -> str:
        """Say that it holds more memory than it may, or nothing."""
        held = self.tree.memory()
        if held <= self._memory:
            return ""
        return (
            f"it took {held / GIB:.1f} GiB of memory, more than the "
            f"{self._memory / GIB:.1f} GiB that --memory-limit allows"
        )

    def is_dead(self) -> bool:
        """Whether the process has ended; it is not waited for, so its number stays its own."""
        if self._process.returncode is not None:
            return True
        try:
            return psutil.Process(self._process.pid).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:  # whoever started us has the kernel forget its children
            self._process.poll()
            return True

    def kill(self) -> None:
        """Kill all of it, then wait for it: from then on its number may be another's."""
        with self._killing:
            if self._process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
                self.tree.kill()
                self._process.wait()
        self._ended.set()

    def close(self) -> None:
        """Kill it, and let go of its input."""
        self.kill()
        assert self._process.stdin is not None, "it was asked for"
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()

    def cause_of_death(self) -> str:
        """Say why a process that was killed, or died by itself, is no more."""
        code = self._process.returncode
        if self._overrun or code >= 0:
            return self._overrun or f"its process died (exit code {code})"
        name = {each.value: each.name for each in signal.Signals}.get(-code, f"signal {-code}")
        hint = ", as the system does when memory runs out" if name == "SIGKILL" else ""
        return f"its process died ({name}{hint})"

    def _send(self, request: dict[str, Any]) -> None:
        assert self._process.stdin is not None, "it was asked for"
        with contextlib.suppress(OSError, ValueError):  # it died or was ended, noticed elsewhere
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()

    def _watch_memory(self) -> None:
        while not self._ended.is_set() and not self.is_dead():
            if overrun := self.memory_overrun():
                self._overrun = overrun
                self.kill()
            self._ended.wait(_SECONDS)


def _start(
    mark: str, environment: Mapping[str, str], files: Sequence[int]
) -> tuple["subprocess.Popen[bytes]", Any]:
    """Return the process, and the pipe that its answers come by."""
    reading, writing = os.pipe()
    path = [str(folder) or os.getcwd() for folder in sys.path]
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "facebench.sandbox.worker", str(writing)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=(writing, *files),
        start_new_session=True,
        env={**environment, "PYTHONPATH": os.pathsep.join(path), MARK: mark},
    )
    os.close(writing)
    with contextlib.suppress(OSError):  # if memory runs out, it is the sampler that must go
        with open(f"/proc/{process.pid}/oom_score_adj", "w") as score:
            score.write("1000")
    return process, open(reading, "rb")
