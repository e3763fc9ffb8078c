"""A network that the user's own code makes, and what says which it is.

``FUNCTION(device)``, named as ``MODULE:FUNCTION`` or ``FILE.py:FUNCTION``, returns what maps images
on that device to something. The module is looked for among installed ones, then in the current
folder; of a file, the network is called by its name without folder and suffix.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from facebench.errors import BadInput
from facebench.features.extractor import state_digest
from facebench.files import file_digests
from facebench.plugins.dependencies import Reads
from facebench.plugins.user_code import blamed, call, import_function, sources_digest

TOLERANCE = 0.02
"""By which what is made of an image may change with its neighbours: half precision rounds by less.
"""
_NAME = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", re.ASCII)  # safe in keys of CSV and JSON


@dataclass(frozen=True)
class UserNetwork:
    """What the user's code made."""

    name: str
    run: Callable[..., Any]
    """Maps images to whatever it does; a torch module is on the device and set to evaluation."""
    digests: dict[str, str]
    """Of its code and what that read, and of its weights where it is a torch module."""


def open_network(code: str, device: str) -> UserNetwork:
    """Import the module or file of `code`, and call the function with `device`.

    Raises:
        BadInput: `code` names nothing, fails, or returns nothing to call.
    """
    name = _name(code)
    with _READS.setdefault(code, Reads()) as reads:
        network = call(code, import_function(code), device)
    if not callable(network):
        raise BadInput(f"{name} returned {network!r}, where a network to call is needed.")
    digests = {name: _digest(code, reads)}
    if isinstance(network, nn.Module):
        network = network.to(device).eval()
        digests[f"{name} weights"] = state_digest(network)
    return UserNetwork(name, partial(_run, code, network), digests)


def _run(code: str, network: Callable[..., Any], images: Tensor) -> Any:
    with blamed(code, "fails"):
        return network(images)


def _name(code: str) -> str:
    """Return what features are called by: names of files go into keys and column names."""
    home, _, function = code.rpartition(":")
    name = f"{Path(home).stem if home.endswith('.py') else home}:{function}"
    if not _NAME.fullmatch(name):
        raise BadInput(
            f"{code!r} names no extractor of yours: give MODULE:FUNCTION or FILE.py:FUNCTION, of "
            "letters, digits and underscores."
        )
    return name


def _digest(code: str, reads: Reads) -> str:
    """Return a digest of the module's sources and of all that it read and loaded."""
    home = code.rpartition(":")[0]
    is_file = home.endswith(".py")
    named = {os.path.abspath(Path(home).expanduser())} if is_file else set()
    sources = "" if is_file else sources_digest(home)
    digests = [sources, *file_digests(reads.files() | named).values()]
    return sha256("\0".join(digests).encode()).hexdigest()


_READS: dict[str, Reads] = {}
"""Kept by name: a module that is loaded already reads its files no more."""
