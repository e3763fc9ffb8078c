"""Samplers that misbehave, by name; tests run them as ``python+takes=seeds:hostile_samplers:NAME``.

Those of `IN_PROCESS` only answer wrongly and may run anywhere; those of `OWN_PROCESS` must not.
Each is listed with what the failure has to say.
"""

import ctypes
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from facebench.sandbox.protocol import write_message

Seeds = Sequence[int]
IN_PROCESS: dict[str, str] = {}
OWN_PROCESS: dict[str, str] = {}


def _hostile(table: dict[str, str], says: str) -> Callable[[Callable[[Seeds], Any]], Any]:
    def register(function: Callable[[Seeds], Any]) -> Callable[[Seeds], Any]:
        table[function.__name__] = says
        return function

    return register


def good(seeds: Seeds) -> np.ndarray:
    draw = [np.random.default_rng(seed).integers(0, 256, (3, 8, 8), np.uint8) for seed in seeds]
    return np.stack(draw)


def _answering(name: str, says: str, change: Callable[[np.ndarray], Any]) -> None:
    """Make a sampler that answers with good images changed in one way."""

    def sampler(seeds: Seeds) -> Any:
        return change(good(seeds))

    globals()[name] = sampler
    IN_PROCESS[name] = says


def _poisoned(value: float) -> Callable[[np.ndarray], Any]:
    def change(images: np.ndarray) -> Any:
        images = images.astype(np.float32)
        images[-1, 0, 0, 0] = value
        return images

    return change


_NO_NUMBERS = "NaN or infinite"
_SHAPE = "the output has the shape"
_RANGE = "does not fit range=uint8"
_OTHER_TYPE = "real numbers are needed|not one tensor of images"

_answering("nan", _NO_NUMBERS, _poisoned(np.nan))
_answering("infinite", _NO_NUMBERS, _poisoned(np.inf))
_answering("minus_infinite", _NO_NUMBERS, _poisoned(-np.inf))
_answering("all_nan", _NO_NUMBERS, lambda x: np.full(x.shape, np.nan))
_answering("too_bright", _RANGE, lambda x: x.astype(np.float32) + 300)
_answering("negative", _RANGE, lambda x: -x.astype(np.float32))
_answering("int16", _RANGE, lambda x: x.astype(np.int16) * 256)
_answering("int64_wraps", _RANGE, lambda x: x.astype(np.int64) << 40)
_answering("huge_float", _RANGE, lambda x: x.astype(np.float64) * 1e300)
_answering("uint16", _RANGE, lambda x: x.astype(np.uint16) * 257)
_answering("grey_rows", _SHAPE, lambda x: x[:, 0])
_answering("flat", _SHAPE, lambda x: x.reshape(len(x), -1))
_answering("five_axes", _SHAPE, lambda x: x[..., None])
_answering("one_number", _SHAPE, lambda x: np.uint8(3))
_answering("two_channels", _SHAPE, lambda x: x[:, :2])
_answering("four_channels", _SHAPE, lambda x: np.concatenate([x, x[:, :1]], 1))
_answering("no_channels", _SHAPE, lambda x: x[:, :0])
_answering("channels_last", "layout=NHWC fits", lambda x: x.transpose(0, 2, 3, 1))
_answering("width_before_channels", "layout=NHWC|shape", lambda x: x.transpose(2, 0, 3, 1))
_answering("empty_batch", "for 4 seeds", lambda x: x[:0])
_answering("one_short", "for 4 seeds", lambda x: x[1:])
_answering("one_more", "for 4 seeds", lambda x: np.concatenate([x, x[:1]]))
_answering("only_first", "for 4 seeds", lambda x: x[:1])
_answering("no_height", "shape", lambda x: x[:, :, :0])
_answering("no_width", "shape", lambda x: x[:, :, :, :0])
_answering("huge_claim", "too large", lambda x: np.broadcast_to(x[:1, :, :1, :1], (4, 3, 1, 99999)))
_answering("nothing", _OTHER_TYPE, lambda x: None)
_answering("text", _OTHER_TYPE, lambda x: "images")
_answering("text_of_right_shape", _OTHER_TYPE, lambda x: x.astype(str))
_answering("objects", _OTHER_TYPE, lambda x: np.full(x.shape, object()))
_answering("a_dictionary_of_two", "2 outputs", lambda x: {"a": x, "b": x})
_answering("a_generator", _OTHER_TYPE, lambda x: (each for each in x))
_answering("a_function", _OTHER_TYPE, lambda x: good)
_answering("ragged", "ValueError", lambda x: [x[0], x[1, :, :3]])
_answering("complex_numbers", _OTHER_TYPE, lambda x: x * 1j)
_answering("dates", _OTHER_TYPE, lambda x: x.astype("datetime64[s]"))
_answering("records", _OTHER_TYPE, lambda x: np.zeros(x.shape, [("a", "u1")]))


@_hostile(IN_PROCESS, "KeyError: 'no such layer'")
def raises(seeds: Seeds) -> Any:
    raise KeyError("no such layer")


@_hostile(IN_PROCESS, "RecursionError")
def recurses(seeds: Seeds) -> Any:
    return recurses(seeds)


@_hostile(IN_PROCESS, "MemoryError|allocate")
def asks_for_a_petabyte(seeds: Seeds) -> Any:
    return np.empty((1 << 50,), np.uint8)


@_hostile(IN_PROCESS, r"it called sys\.exit\(0\)")
def exits(seeds: Seeds) -> Any:
    sys.exit(0)


@_hostile(IN_PROCESS, r"it called sys\.exit\(all is well\)")
def exits_with_text(seeds: Seeds) -> Any:
    sys.exit("all is well")


@_hostile(IN_PROCESS, "StopIteration")
def stops_iterating(seeds: Seeds) -> Any:
    raise StopIteration


@_hostile(IN_PROCESS, "RuntimeError: line 1")
def raises_in_lines(seeds: Seeds) -> Any:
    raise RuntimeError("line 1\nline 2")


@_hostile(OWN_PROCESS, r"died \(SIGSEGV\)")
def segfaults(seeds: Seeds) -> Any:
    sys.stdout.write("going down\n")
    ctypes.string_at(0)


@_hostile(OWN_PROCESS, r"died \(SIGABRT\)")
def aborts(seeds: Seeds) -> Any:
    os.abort()


@_hostile(OWN_PROCESS, r"died \(SIGKILL, as the system does when memory runs out\)")
def is_killed(seeds: Seeds) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


@_hostile(OWN_PROCESS, r"died \(SIGTERM\)")
def is_terminated(seeds: Seeds) -> Any:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(99)


@_hostile(OWN_PROCESS, r"died \(exit code 7\)")
def leaves(seeds: Seeds) -> Any:
    os._exit(7)


@_hostile(OWN_PROCESS, r"died \(exit code 0\)")
def leaves_as_if_all_were_well(seeds: Seeds) -> Any:
    os._exit(0)


@_hostile(OWN_PROCESS, r"died \(SIGINT\)")
def interrupts(seeds: Seeds) -> Any:
    raise KeyboardInterrupt


@_hostile(OWN_PROCESS, r"died \(exit code 1\)")
def raises_what_is_no_exception(seeds: Seeds) -> Any:
    raise type("Odd", (BaseException,), {})


@_hostile(OWN_PROCESS, "nothing for 1 seconds: --time-limit")
def hangs(seeds: Seeds) -> Any:
    time.sleep(99)


@_hostile(OWN_PROCESS, "nothing for 1 seconds")
def hangs_with_the_lock_of_python(seeds: Seeds) -> Any:
    re.match(r"(a+)+$", "a" * 60 + "b")


@_hostile(OWN_PROCESS, "nothing for 1 seconds")
def is_stopped(seeds: Seeds) -> Any:
    os.kill(os.getpid(), signal.SIGSTOP)


@_hostile(OWN_PROCESS, "nothing for 1 seconds")
def waits_for_a_lock(seeds: Seeds) -> Any:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


@_hostile(OWN_PROCESS, "nothing for 1 seconds")
def ignores_signals(seeds: Seeds) -> Any:
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    time.sleep(99)


@_hostile(OWN_PROCESS, "GiB of memory, more than the 0.3 GiB that --memory-limit allows")
def takes_memory(seeds: Seeds) -> Any:
    held = []
    for _ in range(100):
        held.append(np.ones(50 << 20, np.uint8))
        time.sleep(0.02)


_leaked: list[Any] = []


@_hostile(OWN_PROCESS, "GiB of memory, more than")
def leaks(seeds: Seeds) -> Any:
    _leaked.append(np.ones(100 << 20, np.uint8))
    time.sleep(0.15)
    return good(seeds)


@_hostile(OWN_PROCESS, "GiB of memory, more than")
def takes_memory_at_once_and_answers_well(seeds: Seeds) -> Any:
    _leaked.append(np.ones((400 if not _leaked else 0) << 20, np.uint8))
    return good(seeds)


@_hostile(OWN_PROCESS, "GiB of memory, more than")
def takes_memory_in_children(seeds: Seeds) -> Any:
    for _ in range(5):
        if os.fork() == 0:
            held = np.ones(100 << 20, np.uint8)
            time.sleep(99)
            os._exit(int(held[0]))
    time.sleep(99)


@_hostile(OWN_PROCESS, r"died|answered nonsense")
def closes_everything(seeds: Seeds) -> Any:
    os.closerange(0, 1000)
    return good(seeds)


@_hostile(OWN_PROCESS, "answered nonsense")
def writes_everywhere(seeds: Seeds) -> Any:
    for number in range(3, 64):
        try:
            os.write(number, b"\xff" * 100)
        except OSError:
            continue
    return good(seeds)


@_hostile(OWN_PROCESS, r"died \(exit code 9\)")
def leaves_children_behind(seeds: Seeds) -> Any:
    if os.fork() == 0:
        time.sleep(99)
    os._exit(9)


@_hostile(OWN_PROCESS, r"died \(exit code 9\)")
def leaves_children_in_their_own_session(seeds: Seeds) -> Any:
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(99)
        os._exit(0)
    os._exit(9)


@_hostile(OWN_PROCESS, "GiB of memory, more than")
def takes_memory_in_its_own_session(seeds: Seeds) -> Any:
    if os.fork() == 0:
        os.setsid()
        held = np.ones(400 << 20, np.uint8)
        time.sleep(99)
        os._exit(int(held[0]))
    time.sleep(99)


@_hostile(OWN_PROCESS, "EOFError")
def asks_the_user(seeds: Seeds) -> Any:
    return input("password: ")


@_hostile(OWN_PROCESS, "ValueError: after much ado")
def prints_without_end(seeds: Seeds) -> Any:
    for _ in range(20):
        sys.stdout.write("x" * 99_999 + "\n")
    sys.stdout.write("\x1b[2J\x1b]0;title\x07the last line\n")
    raise ValueError("after much ado")


def _answers(header: dict[str, Any]) -> None:
    """Write a message of the engine's own protocol, past the worker."""
    with open(int(sys.argv[1]), "wb", closefd=False) as pipe:
        write_message(pipe, header)


@_hostile(OWN_PROCESS, "nonsense")
def answers_another_question(seeds: Seeds) -> Any:
    _answers({"kind": "findings", "findings": []})
    return good(seeds)


@_hostile(OWN_PROCESS, "nonsense")
def opens_without_end(seeds: Seeds) -> Any:
    while True:
        _answers({"kind": "opened"})
        time.sleep(0.1)
