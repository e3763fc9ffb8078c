"""Downloads that go on where they stopped, and appear only when they are what they should be.

What has come so far lies in a hidden file beside the target. It is added to by range requests,
checked as a whole, and thrown away if its digest is another. By hand, for no library does it all:
pooch begins anew what broke off and locks nothing, torch.hub likewise, huggingface_hub is for its
own servers.
"""

import fcntl
import os
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPException
from io import BufferedIOBase
from pathlib import Path

from facebench.files import file_digest
from facebench.progress import Track, silent

_BLOCK = 1 << 20
_ATTEMPTS = 4  # an address, as long as each brings something
_TIMEOUT = 60  # seconds without a byte
LARGEST = 8 << 30
"""Bytes of a file, for a server that never stops."""


def download(
    urls: Sequence[str],
    target: Path,
    sha256: str,
    track: Track = silent,
    timeout: int | float = _TIMEOUT,
) -> None:
    """Bring the file of digest `sha256` to `target` from the first of `urls` that has it.

    Raises:
        OSError, HTTPException: what the last address failed with; what came of the file is kept
            for the next attempt, unless it is wrong.
    """
    for number, url in enumerate(urls, 1):
        try:
            return _from(url, target, sha256, track, timeout)
        except (OSError, HTTPException, ValueError):
            if number == len(urls):
                raise


def _from(url: str, target: Path, sha256: str, track: Track, timeout: int | float) -> None:
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"{url} is not an http address")
    with _partial(target) as (path, stream):
        if target.is_file():
            return  # another process was faster
        _fetch_all(url, stream, track, timeout)
        stream.flush()
        digest = file_digest(path)
        if digest != sha256:
            path.unlink()
            raise OSError(f"what came from {url} has the sha256 {digest[:12]}…")
        os.fsync(stream.fileno())
        os.replace(path, target)


@contextmanager
def _partial(target: Path) -> Iterator[tuple[Path, BufferedIOBase]]:
    """Open what there is of a file, for one process at a time; nothing empty is left."""
    target.parent.mkdir(parents=True, exist_ok=True)
    path = target.with_name(f".{target.name}.partial")
    with _locked(path) as stream:
        try:
            yield path, stream
        finally:
            if path.is_file() and not path.stat().st_size:
                path.unlink()


def _locked(path: Path) -> BufferedIOBase:
    """Open the file at `path`, and be its only user; whoever was it before may have removed it."""
    while True:
        stream = path.open("ab")
        fcntl.flock(stream, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(stream.fileno()), path.stat()):
                return stream
        stream.close()


def _fetch_all(url: str, stream: BufferedIOBase, track: Track, timeout: int | float) -> None:
    """Ask again for the rest for as long as connections break off after bringing something."""
    for attempt in range(1, _ATTEMPTS + 1):
        before = stream.tell()
        try:
            return _fetch(url, stream, track, timeout)
        except urllib.error.HTTPError as error:
            if error.code == 416 and before:  # the whole file is here, or more
                return
            raise
        except (OSError, HTTPException):
            if stream.tell() == before or attempt == _ATTEMPTS:
                raise


def _fetch(url: str, stream: BufferedIOBase, track: Track, timeout: int | float) -> None:
    request = urllib.request.Request(url)
    if have := stream.tell():
        request.add_header("Range", f"bytes={have}-")
    with urllib.request.urlopen(request, timeout=timeout) as response:
        sent = str(response.headers.get("Content-Range", ""))
        if response.status != 206 or not sent.startswith(f"bytes {have}-"):
            stream.truncate(0)
            stream.seek(0)
        expected = stream.tell() + int(response.headers.get("Content-Length") or 0)
        blocks = iter(lambda: response.read1(_BLOCK), b"")
        for block in track(blocks, f"Downloading {url.rpartition('/')[2]}", None):
            if stream.tell() > LARGEST:
                raise OSError(f"{url} sends more than {LARGEST >> 30} GiB")
            stream.write(block)
        if stream.tell() < expected:
            raise OSError(f"the connection broke off after {stream.tell()} of {expected} bytes")
