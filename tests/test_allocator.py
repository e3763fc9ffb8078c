import os
import platform
import subprocess
import sys

import pytest

from facebench.numerics.allocator import glibc, kept_memory

# Takes 64 MiB and gives them back, many times, and prints how often a page was new to it.
FAULTS = """
import ctypes, resource
from facebench.numerics.allocator import kept_memory
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def touched():
    before = faults()
    for _ in range(8):
        block = libc.malloc(64 << 20)
        ctypes.memset(block, 1, 64 << 20)
        libc.free(block)
    return faults() - before

with kept_memory():
    kept = touched()
print(kept, touched())
"""


@pytest.mark.processes
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no mallopt")
def test_memory_is_kept_inside_and_given_back_outside() -> None:
    untuned = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "GLIBC_"))}
    answer = subprocess.run(
        [sys.executable, "-c", FAULTS], check=True, capture_output=True, env=untuned
    )
    kept, given_back = map(int, answer.stdout.split())
    assert given_back > 4 * kept  # the first of eight times, against all of them


def test_without_glibc_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.libc_ver", lambda: ("", ""))
    monkeypatch.setattr("ctypes.CDLL", None)
    glibc.cache_clear()
    with kept_memory():
        assert glibc() is None
    glibc.cache_clear()
