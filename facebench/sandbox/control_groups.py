"""What the control groups around this process give: a container, or a job of a cluster.

Groups are nested: a job of Slurm's or a container within a container has its limit further down
than the root, and one further up may be less (cgroups(7), both versions).
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_NO_LIMIT = 1 << 62


def least_memory(root: Path = Path("/")) -> int:
    """Return the least memory that any of them gives, in bytes."""
    limits = [_NO_LIMIT]
    for group, version in _groups(root, "memory"):
        name = "memory.max" if version == 2 else "memory.limit_in_bytes"
        with suppress(OSError, ValueError):  # no such file, or "max"
            limits.append(int((group / name).read_text()))
    return min(limits)


def least_cores(root: Path = Path("/")) -> float:
    """Return the least processor time that any of them gives, in cores."""
    limits = [float(_NO_LIMIT)]
    for group, version in _groups(root, "cpu"):
        with suppress(OSError, ValueError):  # no such file, or "max"
            if version == 2:
                quota, period = map(int, (group / "cpu.max").read_text().split())
            else:
                quota, period = (
                    int((group / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period")
                )
            if quota > 0 and period > 0:  # version 1 says -1 for no limit
                limits.append(quota / period)
    return min(limits)


def _groups(root: Path, controller: str) -> Iterator[tuple[Path, int]]:
    """Yield the folder of each group that this process is in, and the version of its kind."""
    for folder, version in _innermost(root, controller):
        for group in (folder, *folder.parents):
            yield group, version
            if group.name == "cgroup":
                break


def _innermost(root: Path, controller: str) -> Iterator[tuple[Path, int]]:
    mounted = root / "sys/fs/cgroup"
    yield mounted, 2
    yield mounted / controller, 1
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for _, controllers, path in (line.split(":", 2) for line in lines if line.count(":") > 1):
        if not controllers:
            yield mounted / path.lstrip("/"), 2
        elif controller in controllers.split(","):
            yield mounted / controller / path.lstrip("/"), 1
