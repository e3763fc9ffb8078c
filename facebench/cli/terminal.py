"""Output for terminals that lack letters: nothing fails, and signs keep their meaning."""

import codecs
import sys
from io import TextIOWrapper

from facebench.text import to_ascii


def tolerate_any_terminal() -> None:
    """Let standard output and error write what their encoding lacks in plain letters."""
    codecs.register_error("plain", _plainly)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="plain")


def _plainly(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError), "it is for output"
    return to_ascii(error.object[error.start : error.end]), error.end
