"""Text for people to read: nothing in it can steer a terminal, names of any bytes can be told."""

import re
import unicodedata
from collections.abc import Iterable

_COLOURS = re.compile(r"\x1b\[[\d;?]*[A-Za-z]")
_OTHER_SPACES = re.compile(r"[^\S\n\t]")
_LONGEST_NAME = 120  # characters of a name in a message
_ASCII = {
    **{"−": "-", "–": "-", "—": "-", "×": "x", "…": "...", "∞": "inf", "±": "+-", "√": "sqrt"},
    **{"↑": "^", "↓": "v", "→": "->", "≤": "<=", "≥": ">=", "·": ".", "“": '"', "”": '"'},
}


def without_controls(text: str) -> str:
    r"""Return lines of text without colours and what else could steer a terminal.

    >>> without_controls("50%\r\x1b[2J\x1b[1m100%\x1b[0m\n\x07")
    '50%\n100%\n'
    """
    text = _COLOURS.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    text = _OTHER_SPACES.sub(" ", text)
    return "".join(c for c in text if c.isprintable() or c in "\n\t")


def in_one_line(text: str, instead: str = "�") -> str:
    r"""Return text without what could steer a terminal or break a line.

    >>> in_one_line("a[bold]\x1b[31m")
    'a[bold]�[31m'
    """
    return "".join(c if c.isprintable() else instead for c in text)


def name_bytes(name: str) -> bytes:
    """Return a file's name as the disk has it: not every one is UTF-8."""
    return name.encode("utf-8", "surrogateescape")


def printable(name: str) -> str:
    r"""Return a file's name as text of one line, odd bytes and characters as escapes.

    >>> printable("caf\udce9\n.png")
    'caf\\xe9\\n.png'
    """
    text = name_bytes(name).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shown(name: str) -> str:
    """Return a file's name for a message: printable, and its middle left out if it is long."""
    return shortened(printable(name), _LONGEST_NAME)


def shortened(text: str, longest: int) -> str:
    """Return `text`, its middle left out where it has more than `longest` characters.

    >>> shortened("0123456789", 8)
    '01 … 89'
    """
    half = (longest - 3) // 2
    return text if len(text) <= longest else f"{text[:half]} … {text[-half:]}"


def listed(names: Iterable[str], most: int = 3) -> str:
    """Return names for a message, sorted, at most so many of them.

    >>> listed({"b", "a"}), listed("abcde")
    ('a, b', 'a, b, c and 2 more')
    """
    ordered = sorted(names)
    more = f" and {len(ordered) - most} more" if len(ordered) > most else ""
    return ", ".join(map(shown, ordered[:most])) + more


def to_ascii(text: str) -> str:
    """Return `text` in ASCII, signs by what they mean.

    >>> to_ascii("Fréchet −3 – 4, 64×64 px, 顔")
    'Frechet -3 - 4, 64x64 px, ?'
    """
    return "".join(_ASCII.get(letter) or _ascii_letter(letter) for letter in text)


def _ascii_letter(letter: str) -> str:
    if unicodedata.category(letter) in ("Mn", "Cf"):  # accents, and what selects a letter's form
        return ""
    return unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode() or "?"
