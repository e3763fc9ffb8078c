"""Where facebench keeps what it can make again."""

import os
from pathlib import Path

import platformdirs

from facebench.errors import BadInput

CACHE_WAY_OUT = "set FACEBENCH_CACHE to a folder that may be written"


def cache_folder() -> Path:
    """Return the folder ``FACEBENCH_CACHE``, else the user's cache folder for facebench."""
    given = os.environ.get("FACEBENCH_CACHE")
    folder = Path(given or platformdirs.user_cache_dir("facebench")).expanduser()
    if not given and not folder.is_absolute():  # of a user without a home
        raise BadInput(f"There is no home folder to keep a cache in: {CACHE_WAY_OUT}.")
    return folder
