"""Notices that libraries write straight to standard error, whatever Python's own filters say."""

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


@contextmanager
def without_notices(known: Sequence[bytes]) -> Iterator[None]:
    """Hold back what is written to standard error; at the end pass on all lines but the known.

    Args:
        known: parts of lines that say nothing the user could act on.
    """
    sys.stderr.flush()
    shown = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(shown, 2)
            os.close(shown)
            held.seek(0)
            for line in held:
                if not any(part in line for part in known):
                    os.write(2, line)
