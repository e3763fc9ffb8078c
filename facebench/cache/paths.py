"""Where facebench keeps what it can make again."""

import os
from pathlib import Path

from facebench.errors import BadInput

CACHE_ELSEWHERE = "or set FACEBENCH_CACHE to a folder elsewhere,"
WAY_OUT = "set FACEBENCH_CACHE to a folder that may be written"


def cache_folder() -> Path:
    """Return the folder ``FACEBENCH_CACHE``, else the user's cache folder for facebench."""
    given = os.environ.get("FACEBENCH_CACHE")
    try:
        return Path(given or _user_cache()).expanduser()
    except RuntimeError as error:  # a user without a home, as containers have them
        raise BadInput(f"There is no folder to keep a cache in ({error}): {WAY_OUT}.") from error


def _user_cache() -> Path:
    import platformdirs  # which whoever names a folder can do without

    return platformdirs.user_cache_path("facebench")


def is_cache(path: Path) -> bool:
    """Return whether `path` is in the cache, or on the way to it."""
    try:
        folder = cache_folder()
    except BadInput:  # there is none
        return False
    return path.is_relative_to(folder) or folder.is_relative_to(path)
