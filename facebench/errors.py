"""Errors a user can mend: one sentence that names the offender and the way out."""

import errno
import re

from facebench.text import shortened, without_controls

_OF_THE_MACHINE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE}
_NO_ROOM = re.compile(
    "out of memory|OOM when allocating|RESOURCE_EXHAUSTED|ALLOC_FAILED|Failed to allocate memory"
)
_LONGEST = 240  # characters of a line that are shown


class BadInput(Exception):
    """Something the user gave cannot be used. The command line prints it and exits with 2."""


class RunFailed(Exception):
    """The whole evaluation cannot go on, through no fault of a model; the command exits with 1."""


class RowFailed(Exception):
    """One model could not be evaluated. The other rows go on; the command line exits with 1."""


def concerns_all(error: Exception) -> bool:
    """Return whether an error is of the run or of the machine, so that no row could go on."""
    return isinstance(error, RunFailed) or getattr(error, "errno", None) in _OF_THE_MACHINE


def as_failure(error: Exception) -> BadInput | RowFailed:
    """Return why a row failed, without the traceback, which holds the images."""
    if isinstance(error, BadInput | RowFailed):
        return error.with_traceback(None)
    if is_out_of_memory(error):
        return RowFailed(f"the device has no memory left: {cause(error)}")
    return RowFailed(cause(error))


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether a device's memory ran out, as torch, TensorFlow, JAX and onnxruntime say it.

    By name and words: their classes need not be loaded here, and TorchScript has one for all.
    """
    is_named = type(error).__name__ in ("OutOfMemoryError", "ResourceExhaustedError")
    return is_named or bool(_NO_ROOM.search(str(error)))


def cause(error: BaseException) -> str:
    r"""Return what an error says in one line of bearable length, with its kind.

    Of many lines the first and the last: frameworks put the cause into the one or the other.

    >>> cause(ValueError("\x1b[1mCannot run:\x1b[0m\n  in a\n  in b\nshapes differ.\n"))
    'ValueError: Cannot run: … shapes differ'
    """
    text = without_controls(str(error))
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    ends = dict.fromkeys([*lines[:1], *lines[-1:]])
    shown = " … ".join(shortened(line, _LONGEST) for line in ends)
    name = type(error).__name__
    return f"{name}: {shown.rstrip('.')}" if shown else name
