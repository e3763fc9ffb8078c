"""The engine's side of a sampler's process: started, watched, and ended whatever it does.

The process and all that it starts are marked, and killed as a whole. It is watched for death, for
silence and for memory, and the end of what it printed is kept for the failure's message.
"""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from facebench.errors import BadInput, RowFailed
from facebench.plugins.spec import Model
from facebench.sampler import Images
from facebench.sandbox import process_tree as family
from facebench.sandbox.limits import GIB, Limits
from facebench.sandbox.output import Output, printable_text
from facebench.sandbox.process_tree import MARK
from facebench.sandbox.protocol import Nonsense, read_header, read_images
from facebench.testing import Finding

AHEAD = 4
"""Batches that are drawn ahead while the engine looks at one."""

MOST_FILES = 1_000_000
"""Names of files that a process may tell in all: one that tells on and on is ended."""
_POLL = 0.1  # seconds
_GRACE = 0.5  # seconds for the last frames to be read after the process has ended


class Sandbox:
    """A sampler's process, which opens a model and then draws as often as it is asked."""

    def __init__(self, model: Model, limits: Limits):
        """Start it.

        Args:
            model: what it opens.
            limits: of time and memory.
        """
        self.files: set[str] = set()
        """The files that the images are known to depend on, after each drawing."""
        self.knows_all_files = False
        """Whether the adapter says that there are no others."""
        self._limits = limits
        self._counts: deque[int] = deque()
        self._frames: queue.Queue[Any] = queue.Queue(AHEAD)
        self._over: str | None = None
        self._room = MOST_FILES
        self._opened = False
        self._family = uuid.uuid4().hex
        self._ending = threading.Lock()
        self._process, answers = _start(self._family)
        self._output = Output(self._process)
        named = (model.adapter, str(model.path), model.texts, model.code)
        _send(self._process, {"model": named})
        self._reader = threading.Thread(target=self._read, args=(answers,), daemon=True)
        self._reader.start()
        threading.Thread(target=self._watch_memory, daemon=True).start()

    def draw(self, batches: Sequence[Sequence[int]]) -> Iterator[Images]:
        """Yield the images of each batch of seeds.

        Raises:
            RowFailed: if the process failed or was ended.
            BadInput: if the model refused.
        """
        self._counts.extend(map(len, batches))
        self._ask({"seeds": [list(map(int, seeds)) for seeds in batches]})
        while (images := self._next()) is not None:
            yield images

    def check(self, num: int, first_seed: int) -> Any:
        """Return what :func:`facebench.testing.check_sampler` finds; raises as `draw` does."""
        self._ask({"check": (num, first_seed)})
        return self._next()

    def close(self) -> None:
        """End the process and all that it started; once is enough."""
        self._end()
        with contextlib.suppress(queue.Empty, BrokenPipeError):
            assert self._process.stdin is not None, "it was asked for"
            self._process.stdin.close()
            while self._reader.is_alive():  # it may wait for room
                self._frames.get(timeout=_POLL)
        self._output.finish()

    def _ask(self, request: dict[str, Any]) -> None:
        """Send a request, without waiting for a process that does not listen."""
        threading.Thread(target=_send, args=(self._process, request), daemon=True).start()

    def _next(self) -> Any:
        """Return the next batch or all findings, None after the last, or raise an error."""
        while True:
            match frame := self._wait():
                case np.ndarray():
                    return frame
                case {"kind": "findings", "findings": list(found)} if not self._counts:
                    return found
                case {"kind": "opened"} if not self._opened:  # each frame gets time anew
                    self._opened = True
                case {"kind": "files", "files": list(files), "all": bool(known)} if self._room > 0:
                    self._room -= max(len(files), 1)
                    self.files.update(map(str, files))
                    self.knows_all_files = known
                case {"kind": "done"}:
                    self._counts.clear()
                    return None
                case {"kind": "refused", "reason": str(reason)}:
                    raise BadInput(printable_text(reason))
                case {"kind": "failed", "reason": str(reason)}:
                    raise self._failure(printable_text(reason))
                case _:
                    raise self._failure(f"its process answered nonsense ({str(frame)[:200]!r})")

    def _wait(self) -> Any:
        """Return the next frame; end a process that is dead, silent or too large."""
        until = time.monotonic() + self._limits.seconds
        while True:
            # Before the queue is looked at: what a process said before it died is still there.
            dead = self._is_dead()
            with contextlib.suppress(queue.Empty):
                return self._frames.get(timeout=_GRACE if dead else _POLL)
            if dead:
                self._end()
                raise self._failure(self._over or _death(self._process.returncode))
            if time.monotonic() > until:
                raise self._failure(
                    f"it gave nothing for {self._limits.seconds:g} seconds: --time-limit SECONDS "
                    "gives a batch longer"
                )

    def _failure(self, reason: str) -> RowFailed:
        self.close()
        tail = self._output.tail()
        return RowFailed(f"{reason}; it said last:\n{tail}" if tail else reason)

    def _read(self, answers: Any) -> None:
        """Move frames to the queue, which holds the sampler back when it is full."""
        with answers:
            try:
                while (header := read_header(answers)) is not None:
                    is_batch = header["kind"] == "images"
                    self._frames.put(
                        read_images(answers, header.get("shape"), self._expected())
                        if is_batch
                        else header
                    )
            except (Nonsense, OSError, MemoryError) as error:
                self._frames.put({"kind": f"nonsense: {error}"})

    def _expected(self) -> int:
        return self._counts.popleft() if self._counts else -1

    def _watch_memory(self) -> None:
        while not self._is_dead():
            held = family.memory(self._family, self._process.pid)
            if held > self._limits.memory:
                self._over = (
                    f"it took {held / GIB:.1f} GiB of memory, more than the "
                    f"{self._limits.memory / GIB:.1f} GiB that --memory-limit allows"
                )
                self._end()
            time.sleep(_POLL)

    def _is_dead(self) -> bool:
        """Whether the process has ended; it is not waited for, so its number stays its own."""
        with self._ending:
            if self._process.returncode is not None:
                return True
            flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
            try:
                return os.waitid(os.P_PID, self._process.pid, flags) is not None
            except ChildProcessError:  # whoever started us has the kernel forget its children
                self._process.poll()
                return True

    def _end(self) -> None:
        """Kill all of the process, then wait for it: from then on its number may be another's."""
        with self._ending:
            if self._process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
                family.end(self._family, self._process.pid)
                self._process.wait()


def examine(model: Model, num: int, first_seed: int, limits: Limits) -> list[Finding]:
    """Return what :func:`facebench.testing.check_sampler` finds, in a process of the model's own.

    Raises:
        RowFailed: if the process does not live to tell.
        BadInput: if the model cannot be opened.
    """
    sandbox = Sandbox(model, limits)
    try:
        found = sandbox.check(num, first_seed)
        return [Finding(*map(printable_text, each)) for each in found]  # type: ignore[arg-type]
    except (TypeError, AttributeError) as error:
        raise RowFailed("its process answered nonsense") from error
    finally:
        sandbox.close()


def _start(name: str) -> tuple["subprocess.Popen[bytes]", Any]:
    reading, writing = os.pipe()
    path = [str(folder) or os.getcwd() for folder in sys.path]
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "facebench.sandbox.worker", str(writing)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=(writing,),
        start_new_session=True,
        env=_ENVIRONMENT | dict(os.environ) | {"PYTHONPATH": os.pathsep.join(path), MARK: name},
    )
    os.close(writing)
    with contextlib.suppress(OSError):  # if memory runs out, it is the sampler that must go
        with open(f"/proc/{process.pid}/oom_score_adj", "w") as score:
            score.write("1000")
    return process, open(reading, "rb")


_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",  # the engine needs the cores, and sums must not depend on their number
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",  # else TensorFlow takes the whole GPU
    "PYTHONUNBUFFERED": "1",  # so that a crash loses nothing of what was printed
}


def _send(process: "subprocess.Popen[bytes]", request: dict[str, Any]) -> None:
    assert process.stdin is not None, "it was asked for"
    with contextlib.suppress(OSError, ValueError):  # it died or was ended, noticed elsewhere
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.flush()


def _death(code: int) -> str:
    if code >= 0:
        return f"its process died (exit code {code})"
    name = {each.value: each.name for each in signal.Signals}.get(-code, f"signal {-code}")
    hint = ", as the system does when memory runs out" if name == "SIGKILL" else ""
    return f"its process died ({name}{hint})"
