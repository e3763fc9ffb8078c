"""What a sampler's process prints: made harmless, passed on up to a bound, its end kept."""

import contextlib
import subprocess
import sys
import threading
from typing import Any

from facebench.text import without_controls

_GRACE = 0.5  # seconds for what is on its way when the process has ended
_TAIL = 4000  # characters that a failure shows
_FORWARDED = 100_000  # characters that are passed on as they come


class Output:
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
                text = without_controls(data.decode(errors="replace"))
                self._kept = (self._kept + text)[-_TAIL:]
                if self._left > 0:
                    sys.stderr.write(text[: self._left])
                    self._left -= len(text)
