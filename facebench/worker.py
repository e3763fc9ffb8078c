"""The sampler's side of its process: ``python -m facebench.worker``, started by the engine.

One JSON request comes on standard input, which then stays open for as long as the engine lives.
Answers go to the pipe whose number is the only argument, as :mod:`facebench.frames`. What the model
prints goes where the engine reads it, never among the answers. Nothing is pickled on either way.
"""

import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from dataclasses import astuple
from io import BufferedIOBase
from typing import Any

import numpy as np

from facebench import family, registry
from facebench.errors import BadInput
from facebench.frames import write_frame
from facebench.sampler import Sampler, checked


def main() -> None:
    """Answer the one request."""
    pipe = open(int(sys.argv[1]), "wb")
    os.set_inheritable(pipe.fileno(), False)
    request = json.loads(_request())
    answer(request, Answers(pipe))


class Answers:
    """Where answers go, from this process only: a model may fork."""

    def __init__(self, pipe: BufferedIOBase):
        self._pipe, self._owner = pipe, os.getpid()

    def put(self, header: dict[str, object], data: np.ndarray | None = None) -> None:
        """Write one frame."""
        if os.getpid() != self._owner:
            os._exit(1)
        write_frame(self._pipe, header, data)


def answer(request: dict[str, Any], answers: Answers) -> None:
    """Open the model and do what is asked with it; a failure is an answer too."""
    try:
        sampler = registry.load(*request["model"])
        answers.put({"kind": "opened"})
        if "check" in request:
            num, first_seed = request["check"]
            check(sampler, num, first_seed, answers)
        else:
            draw_all(sampler, request["seeds"], answers)
        answers.put({"kind": "done"})
    except BadInput as error:
        answers.put({"kind": "refused", "reason": str(error)})
    except SystemExit as error:
        answers.put({"kind": "failed", "reason": f"it called sys.exit({error.code})"})
    except Exception as error:
        traceback.print_exc()
        sys.stderr.flush()
        answers.put({"kind": "failed", "reason": f"{type(error).__name__}: {error}"})


def draw_all(sampler: Sampler, batches: Sequence[Sequence[int]], answers: Answers) -> None:
    """Draw batch after batch."""
    for seeds in batches:
        images = checked(sampler.sample(seeds), len(seeds))
        answers.put({"kind": "images", "shape": images.shape}, images)


def check(sampler: Sampler, num: int, first_seed: int, answers: Answers) -> None:
    """Answer with what the contract's checks find."""
    from facebench.testing import check_sampler

    findings = check_sampler(sampler, num, first_seed).findings
    answers.put({"kind": "findings", "findings": [astuple(finding) for finding in findings]})


def _request() -> bytes:
    """Read the request; the model finds an empty input, and its process ends with the engine."""
    lifeline, name = os.dup(0), os.environ[family.MARK]  # which a model may clear
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    stream = open(lifeline, "rb", buffering=0)
    request = b""
    while not request.endswith(b"\n"):
        request += stream.read(1 << 20) or b"\n"

    def wait() -> None:
        stream.read(1)  # the engine writes no more: this returns when it is gone
        family.end(name, os.getpid())
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()
    return request


if __name__ == "__main__":
    main()
