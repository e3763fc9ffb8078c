"""Where facebench keeps what it can make again."""

import os
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """Return the folder ``FACEBENCH_CACHE``, else the user's cache folder for facebench."""
    given = os.environ.get("FACEBENCH_CACHE")
    return Path(given) if given else Path(platformdirs.user_cache_dir("facebench"))
