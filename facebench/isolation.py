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
from typing import Any

import numpy as np

from facebench import family
from facebench.errors import BadInput, RowFailed
from facebench.family import MARK
from facebench.frames import Nonsense, read_header, read_images
from facebench.limits import GIB, Limits
from facebench.spec import Model
from facebench.testing import Finding

AHEAD = 4
"""Batches that are drawn ahead while the engine looks at one."""

_POLL = 0.1  # seconds
_GRACE = 0.5  # seconds for the last frames to be read after the process has ended
_TAIL = 4000  # characters of output that a failure shows
_FORWARDED = 100_000  # characters of output that are passed on as they come


class Sandbox:
    """A sampler's process; :meth:`next` gives its batches in turn."""

    def __init__(self, model: Model, task: dict[str, Any], limits: Limits):
        """Start it.

        Args:
            model: what it opens.
            task: "seeds" of each batch to draw, or "check" with the number of images and the first
                seed.
            limits: of time and memory.
        """
        self._limits = limits
        self._counts = [len(each) for each in task.get("seeds", ())]
        self._frames: queue.Queue[Any] = queue.Queue(AHEAD)
        self._over: str | None = None
        self._opened = False
        self._family = uuid.uuid4().hex
        self._process, answers = _start(self._family)
        self._output = _Output(self._process)
        named = (model.adapter, str(model.path), dict(model.options), model.code)
        _send(self._process, {"model": named, **task})
        self._reader = threading.Thread(target=self._read, args=(answers,), daemon=True)
        self._reader.start()
        threading.Thread(target=self._watch_memory, daemon=True).start()

    def next(self) -> Any:
        """Return the next batch or all findings, None after the last, or raise an error.

        Raises:
            RowFailed: if the process failed or was ended.
            BadInput: if the model refused.
        """
        while True:
            frame = self._wait()
            match frame:
                case np.ndarray():
                    return frame
                case {"kind": "findings", "findings": list(found)} if not self._counts:
                    return found
                case {"kind": "opened"} if not self._opened:  # each frame gets time anew
                    self._opened = True
                    continue
                case {"kind": "done"}:
                    return None
                case {"kind": "refused", "reason": str(reason)}:
                    raise BadInput(printable_text(reason))
                case {"kind": "failed", "reason": str(reason)}:
                    raise self._failure(printable_text(reason))
            raise self._failure(f"its process answered nonsense ({str(frame)[:200]!r})")

    def close(self) -> None:
        """End the process and all that it started."""
        self._kill()
        self._process.wait()
        with contextlib.suppress(queue.Empty, BrokenPipeError):
            assert self._process.stdin is not None, "it was asked for"
            self._process.stdin.close()
            while self._reader.is_alive():  # it may wait for room
                self._frames.get(timeout=_POLL)
        self._output.finish()

    def _wait(self) -> Any:
        """Return the next frame; end a process that is dead, silent or too large."""
        until = time.monotonic() + self._limits.seconds
        while True:
            # Before the queue is looked at: what a process said before it died is still there.
            dead = self._process.poll() is not None
            with contextlib.suppress(queue.Empty):
                return self._frames.get(timeout=_GRACE if dead else _POLL)
            if dead:
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
        counts = iter(self._counts)
        with answers:
            try:
                while (header := read_header(answers)) is not None:
                    is_batch = header["kind"] == "images"
                    shape = header.get("shape")
                    self._frames.put(
                        read_images(answers, shape, next(counts, -1)) if is_batch else header
                    )
            except (Nonsense, OSError, MemoryError) as error:
                self._frames.put({"kind": f"nonsense: {error}"})

    def _watch_memory(self) -> None:
        while self._process.poll() is None:
            held = family.memory(self._family, self._process.pid)
            if held > self._limits.memory:
                self._over = (
                    f"it took {held / GIB:.1f} GiB of memory, more than the "
                    f"{self._limits.memory / GIB:.1f} GiB that --memory-limit allows"
                )
                self._kill()
            time.sleep(_POLL)

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        family.end(self._family, self._process.pid)


def examine(model: Model, num: int, first_seed: int, limits: Limits) -> list[Finding]:
    """Return what :func:`facebench.testing.check_sampler` finds, in a process of the model's own.

    Raises:
        RowFailed: if the process does not live to tell.
        BadInput: if the model cannot be opened.
    """
    sandbox = Sandbox(model, {"check": (num, first_seed)}, limits)
    try:
        return [Finding(*map(printable_text, found)) for found in sandbox.next()]  # type: ignore[arg-type]
    except (TypeError, AttributeError) as error:
        raise RowFailed("its process answered nonsense") from error
    finally:
        sandbox.close()


class _Output:
    """What the process prints: passed on to standard error up to a bound, its end kept."""

    def __init__(self, process: "subprocess.Popen[bytes]"):
        self._stream: Any = process.stdout
        self._kept, self._left = "", _FORWARDED
        self._thread = threading.Thread(target=self._forward, daemon=True)
        self._thread.start()

    def tail(self) -> str:
        """Return the last lines, indented."""
        lines = [line for line in self._kept.splitlines() if line.strip()][-30:]
        return "\n".join(f"  {line}" for line in lines)

    def finish(self) -> None:
        """Wait for what is on its way; a process that was missed may hold the pipe open."""
        self._thread.join(_GRACE)

    def _forward(self) -> None:
        with self._stream, contextlib.suppress(OSError, ValueError):
            while data := self._stream.read1(1 << 16):
                text = printable(data)
                self._kept = (self._kept + text)[-_TAIL:]
                if self._left > 0:
                    sys.stderr.write(text[: self._left])
                    self._left -= len(text)


def printable(data: bytes) -> str:
    r"""Return output as text that cannot steer a terminal.

    >>> printable(b"50%\r\x1b[2J100%\n")
    '50%\n[2J100%\n'
    """
    return printable_text(data.decode(errors="replace"))


def printable_text(text: str) -> str:
    """Return text without what could steer a terminal."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(c for c in text if c.isprintable() or c in "\n\t")


def _start(name: str) -> tuple["subprocess.Popen[bytes]", Any]:
    reading, writing = os.pipe()
    path = [str(folder) or os.getcwd() for folder in sys.path]
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "facebench.worker", str(writing)],
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
    with contextlib.suppress(BrokenPipeError):  # it died at once, which is noticed elsewhere
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.flush()


def _death(code: int) -> str:
    if code >= 0:
        return f"its process died (exit code {code})"
    name = {each.value: each.name for each in signal.Signals}.get(-code, f"signal {-code}")
    hint = ", as the system does when memory runs out" if name == "SIGKILL" else ""
    return f"its process died ({name}{hint})"
