"""What a model that is not there may have been meant as."""

import re
from os.path import exists, expanduser  # false for what cannot be a path, and never an error
from pathlib import Path

from facebench.plugins import registry
from facebench.plugins.user_code import spec_of

WINDOWS = re.compile(r"[A-Za-z]:\\.*")
ON_WINDOWS = "a path of Windows is another here, /mnt/c/… under WSL for one"


def path_of(text: str) -> Path:
    """Return the path that `text` says; shells know ``~`` only where a word begins."""
    return Path(text if exists(text) else expanduser(text))


def way_out(name: str, target: str) -> str:
    """Say what a model that is not there may have been meant as."""
    if not target and name in registry.names("trainers"):
        return f"train it with facebench train {name}, or give {name}=PATH"
    if not target and exists(name):
        return f"give NAME=ADAPTER:{name}"
    if not target:
        return f"give {name}=PATH or {name}=ADAPTER:PATH"
    head, _, rest = target.partition(":")
    if head.partition("+")[0] in registry.names("adapters") and not rest:
        return f"give {name}={target}:PATH"
    if WINDOWS.match(rest):
        return ON_WINDOWS
    code, at, path = rest.partition("@")
    if code and any(exists(path_of(file)) for file in (code, f"{code}.py")):  # nets, nets.py
        return f"check the path, or give {name}={head}:{code}:FUNCTION{at}{path}"
    for mark, suffix in ((":", ".py:"), (".", ":")):  # folder/nets:build, nets.build
        module, _, function = code.rpartition(mark)
        if function.isidentifier() and _is_module(module):
            return f"check the path, or give {name}={head}:{module}{suffix}{function}{at}{path}"
    return "check the path"


def _is_module(name: str) -> bool:
    parts = name.split(".")
    files = (f"{name}.py", f"{'/'.join(parts)}.py")
    is_installed = all(map(str.isidentifier, parts)) and spec_of(parts[0]) is not None
    return is_installed or any(exists(path_of(file)) for file in files)
