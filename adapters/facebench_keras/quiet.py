"""Notices that libraries write straight to standard error, whatever Python's own filters say."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


@contextmanager
def without_notices(known: Sequence[str]) -> Iterator[None]:
    """Pass on what is written to standard error meanwhile, but for lines that hold one of `known`.

    By a process of its own, so that the last words of a crash are not lost.

    Args:
        known: parts of lines that say nothing the user could act on.
    """
    sys.stderr.flush()
    shown = os.dup(2)
    words = ["grep", "--line-buffered", "--invert-match", "--fixed-strings"]
    words += [f"--regexp={part}" for part in known]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=shown) as passing:
        assert passing.stdin is not None, "it was asked for"
        os.dup2(passing.stdin.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(shown, 2)
            os.close(shown)
