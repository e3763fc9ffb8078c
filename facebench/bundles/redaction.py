"""What of a row goes out to others: nothing that says where files lie on somebody's machine."""

import os
import re
import shlex
import tempfile
from dataclasses import replace
from pathlib import Path

from facebench.results.result import Result, Value

_FOLDERS = re.compile(r"[^=:,+@]*/")  # of one word of a command, which may have spaces in it
_PATH = re.compile(
    r"(?<![\w/.~])(?:file://|~\w*|\.{1,2})?(?!//)(?:/[^\s/'\"`,;:()<>|]+)*/(?=[^\s/'\"`,;:()])"
)
"""The folders of a path that begins at the root, at a home, or at . or .., amid text."""


def without_paths(result: Result) -> Result:
    """Return the row with the last part of each path alone, wherever it names one.

    Its values, seeds and protocol stay what they are.
    """
    return replace(
        result,
        path=_last_part(result.path),
        command=_of_command(result.command),
        notes=tuple(_of_text(note, result) for note in result.notes),
        failed={key: _of_text(why, result) for key, why in result.failed.items()},
        refused={key: _of_text(why, result) for key, why in result.refused.items()},
        environment={
            _of_text(name, result): _of_text(told, result)
            for name, told in result.environment.items()
        },
        metrics={key: _of_value(value, result) for key, value in result.metrics.items()},
    )


def _of_value(value: Value, result: Result) -> Value:
    details = {
        name: _of_text(told, result) if isinstance(told, str) else told
        for name, told in value.details.items()
    }
    return replace(value, details=details)


def _last_part(word: str) -> str:
    """Return a word of a command without the folders in it.

    >>> _last_part("vae=vae:/home/me/my runs/vae/"), _last_part("nets.py:net@../w.pt (size=2)")
    ('vae=vae:vae', 'nets.py:net@w.pt (size=2)')
    """
    return _FOLDERS.sub("", word.rstrip("/"))


def _of_command(command: str) -> str:
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.split()
    return shlex.join(map(_last_part, words))


def _of_text(text: str, result: Result) -> str:
    """Return a sentence without the folders of what it names.

    The folders of this machine are known, so that their names may have spaces in them.
    """
    if "/" in result.path:
        text = text.replace(result.path, _last_part(result.path))
    for folder in {str(Path.home()), os.getcwd(), tempfile.gettempdir()} - {"/"}:
        text = text.replace(f"{folder}/", "")
    return _PATH.sub("", text)
