"""Output for terminals that lack letters: nothing fails, and signs keep their meaning."""

import codecs
import sys
import unicodedata
from io import TextIOWrapper

_PLAIN = {
    **{"−": "-", "–": "-", "—": "-", "×": "x", "…": "...", "∞": "inf", "±": "+-", "√": "sqrt"},
    **{"↑": "^", "↓": "v", "→": "->", "≤": "<=", "≥": ">=", "·": ".", "“": '"', "”": '"'},
}


def tolerate_any_terminal() -> None:
    """Let standard output and error write what their encoding lacks in plain letters."""
    codecs.register_error("plain", _plainly)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="plain")


def plain(text: str) -> str:
    """Return `text` in ASCII.

    >>> plain("Fréchet −3 – 4, 64×64 px, 顔")
    'Frechet -3 - 4, 64x64 px, ?'
    """
    return "".join(_PLAIN.get(letter) or _letter(letter) for letter in text)


def _letter(letter: str) -> str:
    if unicodedata.category(letter) in ("Mn", "Cf"):  # accents, and what selects a letter's form
        return ""
    return unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode() or "?"


def _plainly(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError), "it is for output"
    return plain(error.object[error.start : error.end]), error.end
