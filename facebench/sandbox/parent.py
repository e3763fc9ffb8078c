"""The engine's side of a sampler's process: what it is asked, and what its answers mean.

A process that dies, is silent for too long or answers nonsense is a failed row, with the end of
what it printed. How it is started, watched and killed: :mod:`facebench.sandbox.watchdog`.
"""

import contextlib
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from facebench.errors import BadInput, RowFailed
from facebench.plugins.model_spec import Model
from facebench.sampler import Images
from facebench.sandbox.environment import device_inside, environment
from facebench.sandbox.limits import Limits, own_cores
from facebench.sandbox.protocol import ProtocolError, handed_over, read_header, read_images
from facebench.sandbox.watchdog import WatchedProcess
from facebench.testing import Finding, compared
from facebench.text import without_controls
from facebench.translator import Asked

AHEAD = 4
"""Batches that are sampled ahead while the engine works on one."""
MOST_FILES = 1_000_000
"""Names of files that a process may tell in all: one that tells on and on is ended."""
ON_BOTH = 2
"""Images that :func:`examine` draws on a GPU and on the CPU."""
_POLL = 0.1  # seconds
_GRACE = 0.5  # seconds for the last messages to be read after the process has ended


class Sandbox:
    """A sampler in a process of its own, which opens a model and samples as often as it is asked.

    Args:
        model: what it opens.
        limits: of time, memory and threads.
        device: the engine's torch device; the process sees no other card than this one.
        asked: what it is asked as a translator; it samples its answers then.
    """

    def __init__(
        self, model: Model, limits: Limits, device: str = "cpu", asked: Asked | None = None
    ):
        self.files: set[str] = set()
        """The files that the images are known to depend on, after each sampling."""
        self.knows_all_files = False
        """Whether the adapter says that there are no others."""
        self._seconds = limits.seconds
        self._counts: deque[int] = deque()
        self._messages: queue.Queue[Any] = queue.Queue(AHEAD)
        self._files_left = MOST_FILES
        self._opened = False
        self._classes: tuple[str, ...] | None = None
        around = environment(os.environ, device, limits.threads, own_cores())
        named = model.adapter, str(model.path), model.texts, model.code
        opening: dict[str, Any] = {"model": named, "device": device_inside(device)}
        with handed_over(asked) as told:
            self._process = WatchedProcess(limits.memory, around, [told["sources"]] if told else [])
        self.tree = self._process.tree
        self._process.send(opening | ({"asked": told} if told else {}))
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The classes that the model can be asked for, None where it takes no labels.

        That is known once it is open, which is waited for; raises as `sample` does.
        """
        if not self._opened:
            match message := self._wait():
                case {"kind": "opened"}:
                    self._open(message)
                case _:
                    raise self._error(message)
        return self._classes

    def sample(
        self,
        batches: Sequence[Sequence[int]],
        labels: Sequence[Sequence[str]] | None = None,
        steps: bool = False,
    ) -> Iterator[Images]:
        """Yield the images of each batch of seeds, of the classes that `labels` name if given.

        With `steps` they are those of :class:`facebench.samplers.latent_steps.LatentSteps`.

        Raises:
            RowFailed: if the process failed or was ended.
            BadInput: if the model refused: it may take no labels, or not know one of them, or
                have no latent space.
        """
        if labels is not None and [*map(len, labels)] != [*map(len, batches)]:
            raise ValueError("there must be a label for each seed")
        self._counts.extend(map(len, batches))
        asked: dict[str, object] = {"seeds": [list(map(int, seeds)) for seeds in batches]}
        if labels is not None:
            asked["labels"] = [list(map(str, each)) for each in labels]
        if steps:
            asked["steps"] = True
        self._process.send(asked)
        while (images := self._next()) is not None:
            yield images

    def check(self, num: int, first_seed: int) -> Any:
        """Return what :func:`facebench.testing.check_sampler` finds; raises as `sample` does."""
        self._process.send({"check": (num, first_seed)})
        found = self._next()
        self._next()  # that it is done
        return found

    def close(self) -> None:
        """End the process and all that it started; once is enough."""
        self._process.close()
        with contextlib.suppress(queue.Empty):
            while self._reader.is_alive():  # it may wait for room
                self._messages.get(timeout=_POLL)
        self._process.output.finish()

    def _next(self) -> Any:
        """Return the next batch or all findings, None after the last, or raise an error."""
        while True:
            match message := self._wait():
                case np.ndarray():
                    return message
                case {"kind": "findings", "findings": list(found)} if not self._counts:
                    return found
                case {"kind": "opened"} if not self._opened:  # each message gets time anew
                    self._open(message)
                case {"kind": "files", "files": list(files), "all": bool(known)} if (
                    self._files_left > 0
                ):
                    self._files_left -= max(len(files), 1)
                    self.files.update(map(str, files))
                    self.knows_all_files = known
                case {"kind": "done"}:
                    self._check_memory()
                    self._counts.clear()
                    return None
                case _:
                    raise self._error(message)

    def _open(self, message: dict[str, Any]) -> None:
        """Take note that the model is open, and of the classes that it knows."""
        match message.get("classes"):
            case None:
                self._classes = None
            case [*names] if names and all(isinstance(n, str) and n.isprintable() for n in names):
                self._classes = tuple(names)
            case _:
                raise self._error(message)
        self._opened = True
        self._check_memory()

    def _error(self, message: Any) -> Exception:
        """Return what a message that is no answer means."""
        match message:
            case {"kind": "refused", "reason": str(reason)}:
                return BadInput(without_controls(reason))
            case {"kind": "failed", "reason": str(reason)}:
                return self._failure(without_controls(reason))
        return self._failure(f"its process answered nonsense ({str(message)[:200]!r})")

    def _wait(self) -> Any:
        """Return the next message; end a process that is dead, silent or too large."""
        until = time.monotonic() + self._seconds
        while True:
            # Before the queue is looked at: what a process said before it died is still there.
            dead = self._process.is_dead()
            with contextlib.suppress(queue.Empty):
                return self._messages.get(timeout=_GRACE if dead else _POLL)
            if dead:
                self._process.kill()
                raise self._failure(self._process.cause_of_death())
            if time.monotonic() > until:
                raise self._failure(
                    f"it gave nothing for {self._seconds:g} seconds: --time-limit SECONDS "
                    "gives a batch longer"
                )

    def _check_memory(self) -> None:
        """Fail where too much is held, however short the time that it took."""
        if overrun := self._process.memory_overrun():
            raise self._failure(overrun)

    def _failure(self, reason: str) -> RowFailed:
        self.close()
        tail = self._process.output.tail()
        return RowFailed(f"{reason}; it said last:\n{tail}" if tail else reason)

    def _read(self) -> None:
        """Move messages to the queue, which holds the sampler back when it is full."""
        with self._process.answers as answers:
            try:
                while message := read_header(answers):
                    if message["kind"] == "images":
                        count = self._counts.popleft() if self._counts else -1
                        self._messages.put(read_images(answers, message.get("shape"), count))
                    else:
                        self._messages.put(message)
            except (ProtocolError, OSError, MemoryError) as error:
                self._messages.put({"kind": f"nonsense: {error}"})


def examine(
    model: Model, num: int, first_seed: int, limits: Limits, device: str = "cpu"
) -> list[Finding]:
    """Return what :func:`facebench.testing.check_sampler` finds, in a process of the model's own.

    On a GPU a few images are compared with those of another process, on the CPU.

    Raises:
        RowFailed: if the process does not live to tell.
        BadInput: if the model cannot be opened.
    """
    with contextlib.closing(Sandbox(model, limits, device)) as sandbox:
        told = sandbox.check(num, first_seed)
        try:
            found = [Finding(*map(without_controls, each)) for each in told]  # type: ignore[arg-type]
        except (TypeError, AttributeError) as error:
            raise RowFailed("its process answered nonsense") from error
        has_images = any(each.check == "contract" and each.level == "ok" for each in found)
        if device == "cpu" or not has_images:
            return found
        seeds = range(first_seed, first_seed + ON_BOTH)
        return [*found, _against_cpu(sandbox, Sandbox(model, limits), seeds)]


def _against_cpu(there: Sandbox, here: Sandbox, seeds: Sequence[int]) -> Finding:
    """Return by how much the images of `seeds` differ between two processes of a model."""
    with contextlib.closing(here):
        try:
            images, again = [next(each.sample([seeds])) for each in (there, here)]
        except (BadInput, RowFailed) as error:
            return Finding("CPU", "note", f"its images cannot be compared with the CPU's: {error}")
    level, text = compared(images, again, "on the CPU")
    return Finding("CPU", "note" if level == "failed" else "ok", text)
