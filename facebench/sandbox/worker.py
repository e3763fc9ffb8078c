"""The sampler's side of its process: ``python -m facebench.sandbox.worker``, started by the engine.

Requests come on standard input, one JSON a line, the model first; it stays open for as long as the
engine lives. Answers go to the pipe whose number is the only argument, as
:mod:`facebench.sandbox.protocol`. What the model prints goes where the engine reads it, never among
the answers. Nothing is pickled on either way.
"""

import json
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence, Sized
from dataclasses import astuple
from io import BufferedIOBase
from typing import Any

import numpy as np

from facebench.errors import BadInput, RowFailed, cause, is_out_of_memory
from facebench.plugins import registry
from facebench.plugins.dependencies import Reads
from facebench.sampler import Sampler, check_labels, checked, drawn, known_classes
from facebench.sandbox.process_tree import MARK, ProcessTree
from facebench.sandbox.protocol import taken_over, write_message
from facebench.translator import as_sampler

_SHARE = 3 / 4
"""Of a GPU's memory, beyond which a batch is halved: the engine's networks are on it, too."""
_SHOWN = 16
"""Sources that a translator is shown when it is opened, to be tried on them."""
_AT_ONCE = 50
"""Paths in a message, which has its bounds."""


def main() -> None:
    """Answer request after request."""
    pipe = open(int(sys.argv[1]), "wb")
    os.set_inheritable(pipe.fileno(), False)
    with Reads() as reads:
        serve(_requests(), Answers(pipe), reads)


class Answers:
    """Where answers go, from this process only: a model may fork."""

    def __init__(self, pipe: BufferedIOBase):
        self._pipe, self._owner = pipe, os.getpid()

    def put(self, kind: str, data: np.ndarray | None = None, **header: object) -> None:
        """Write one message."""
        if os.getpid() != self._owner:
            os._exit(1)
        write_message(self._pipe, {"kind": kind, **header}, data)


def serve(requests: Iterator[dict[str, Any]], answers: Answers, reads: Reads) -> None:
    """Open the model that the first request names, and do what others ask; failing is an answer."""
    try:
        opening = next(requests)
        (adapter, path, options, code), device = opening["model"], opening["device"]
        asked = taken_over(opening["asked"]) if "asked" in opening else None
        shown = asked.sources[:_SHOWN] if asked else None
        model = registry.load(adapter, path, options, code, device, shown)
        sampler = as_sampler(model, asked)
        _share_gpu(device)
        classes = known_classes(sampler)
        known: dict[str, Any] = {} if classes is None else {"classes": classes}
        answers.put("opened", **known)
        for request in requests:
            if "check" in request:
                num, first_seed = request["check"]
                check(sampler, answers, num, first_seed, device)
            else:
                drawing = _stepping(sampler) if "steps" in request else sampler
                sample_all(drawing, request["seeds"], answers, request.get("labels"))
            tell_dependencies(model, reads, answers)
            answers.put("done")
    except BadInput as error:
        answers.put("refused", reason=str(error))
    except RowFailed as error:
        answers.put("failed", reason=str(error))
    except SystemExit as error:
        answers.put("failed", reason=f"it called sys.exit({error.code})")
    except Exception as error:
        traceback.print_exc()
        sys.stderr.flush()
        answers.put("failed", reason=f"{type(error).__name__}: {error}")


def _share_gpu(device: str) -> None:
    """Leave the engine its part of the GPU, and have torch compute alike every time."""
    torch = sys.modules.get("torch")
    if device == "cuda" and torch and torch.cuda.is_initialized():
        torch.cuda.set_per_process_memory_fraction(_SHARE)
        torch.backends.cudnn.deterministic = True


def _stepping(sampler: Sampler) -> Sampler:
    """Return the sampler of steps through a model's latent space."""
    from facebench.samplers.latent_steps import LatentSteps
    from facebench.samplers.latent_walks import latent_sampler

    return LatentSteps(latent_sampler(sampler, "This model"))


def sample_all(
    sampler: Sampler,
    batches: Sequence[Sequence[int]],
    answers: Answers,
    labels: Sequence[Sequence[str]] | None = None,
) -> None:
    """Answer with batch after batch, of the classes that `labels` name if they are given."""
    within_memory = _WithinMemory(sampler)
    if labels is not None:
        check_labels(sorted({name for each in labels for name in each}), known_classes(sampler))
    for number, seeds in enumerate(batches):
        images = within_memory.sample(seeds, None if labels is None else labels[number])
        answers.put("images", images, shape=images.shape)


class _WithinMemory:
    """A sampler that draws as many images at once as the device has memory for."""

    def __init__(self, sampler: Sampler):
        self._sampler, self._most = sampler, sys.maxsize
        if (classes := known_classes(sampler)) is not None:
            self.classes = classes

    def sample(self, seeds: Sequence[int], labels: Sequence[str] | None = None) -> np.ndarray:
        """Return the images of `seeds`, of the classes that `labels` name if they are given."""
        images, self._most = sample_within_memory(self._sampler, seeds, self._most, labels)
        return images


def sample_within_memory(
    sampler: Sampler, seeds: Sequence[int], most: int, labels: Sequence[str] | None = None
) -> tuple[np.ndarray, int]:
    """Return the images of `seeds`, and how many at once the device has memory for.

    At most `most` are tried at once, then half of them, and so on: an image depends on its seed
    alone.
    """
    while True:
        try:
            if len(seeds) <= most:
                return checked(drawn(sampler, seeds, labels), len(seeds)), most
            starts = range(0, len(seeds), most)
            parts = [(seeds[s : s + most], labels and labels[s : s + most]) for s in starts]
            images = [checked(drawn(sampler, *part), len(part[0])).copy() for part in parts]
            return np.concatenate(images), most
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            at_once = min(most, len(seeds))
            if at_once == 1:
                raise RowFailed(
                    f"the device has too little memory for a single image: {cause(error)}"
                ) from error
        most = at_once // 2


def check(sampler: Sampler, answers: Answers, num: int, first_seed: int, device: str) -> None:
    """Answer with what the contract's checks find."""
    from facebench.testing import check_sampler

    if isinstance(sampler, Sized):  # pictures in files, which may be fewer
        num = min(num, max(len(sampler) - first_seed, 1))
    findings = check_sampler(_WithinMemory(sampler), num, first_seed, device).findings
    answers.put("findings", findings=[astuple(finding) for finding in findings])


def tell_dependencies(sampler: Sampler, reads: Reads, answers: Answers) -> None:
    """Answer with the files that the images depend on, and whether these are all there are."""
    named = getattr(sampler, "files", None)
    if isinstance(named, str | os.PathLike):
        named = (named,)
    files = sorted(reads.files() | {os.path.abspath(file) for file in named or ()})
    for start in range(0, max(len(files), 1), _AT_ONCE):
        answers.put("files", files=files[start : start + _AT_ONCE], all=named is not None)


def _requests() -> Iterator[dict[str, Any]]:
    """Return the requests; the model finds an empty input, and its process ends with the engine."""
    lifeline = os.dup(0)
    tree = ProcessTree(os.environ[MARK], os.getpid())  # before a model clears it
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def read() -> None:
        with open(lifeline, "rb") as stream:
            for line in stream:
                lines.put(line)
        tree.kill()  # the engine writes no more: it is gone
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=read, daemon=True).start()
    return map(json.loads, iter(lines.get, None))


if __name__ == "__main__":
    main()
