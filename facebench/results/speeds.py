"""How fast images were drawn and looked at on this machine, to say beforehand how long it takes.

A small file each in the cache, by machine, device, networks and model. No score depends on them.
"""

import json
import math
import os
import platform
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from facebench.cache.paths import cache_folder
from facebench.errors import BadInput
from facebench.files import read_json, write_json
from facebench.results.result import SANITY, Result

FORMAT = "facebench-speed/1"
_THERE = SANITY, "images"
"""Adapters of images that nobody draws."""
SCORING = "metrics"
"""The phase of a Result's seconds that is no image's."""


@dataclass(frozen=True)
class Work:
    """What the time that an image takes depends on, as evaluations and Results both know it."""

    networks: str
    """The extractors' names, with commas between them."""
    precision: str
    device: str
    """As a Result's environment names it: "cpu (x86_64)"."""
    lpips: bool = False
    """Whether LPIPS' network looks at the images, too."""
    faces: bool = False
    """Whether the face pass does."""
    model: str = ""
    """What draws them, its adapter and path; nothing for pictures, which are there."""
    processes: int = 1


@dataclass(frozen=True)
class Speed:
    """The time that an image took, drawing and looking together."""

    seconds: float
    images: int
    """Over how many images that was measured."""


def work_of(result: Result) -> Work:
    """Return what the time of an image of `result` depended on, had one process made it."""
    return Work(
        networks=result.protocol.extractor,
        precision=result.protocol.precision,
        device=result.environment.get("device", ""),
        lpips=any(name.startswith("weights alexnet") for name in result.environment),
        faces=bool(result.protocol.faces),
        model="" if result.adapter in _THERE else f"{result.adapter} {result.path}",
    )


def speed_of(result: Result) -> Speed | None:
    """Return how fast the images of `result` were; None where its features were there already."""
    seconds = sum(spent for phase, spent in result.seconds.items() if phase != SCORING)
    return Speed(seconds / result.images, result.images) if result.images and seconds else None


def in_words(seconds: float) -> str:
    """Return a time as somebody says it who does not know it well.

    >>> [in_words(each) for each in (0.4, 42.0, 100.0, 8e3, 5e5)]
    ['1 s', '42 s', '2 min', '2.2 h', '5.8 days']
    """
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    is_short = seconds < 172_800
    return f"{seconds / 3600:.2g} h" if is_short else f"{seconds / 86_400:.2g} days"


def find_speed(work: Work) -> Speed | None:
    """Return how fast such work was on this machine; None where it was never done, or not kept."""
    try:
        record = read_json(_path(work))
        seconds, images = float(record["seconds"]), int(record["images"])
    except (BadInput, LookupError, TypeError, ValueError, OverflowError):
        return None
    is_speed = record.get("format") == FORMAT and math.isfinite(seconds) and seconds > 0
    return Speed(seconds, images) if is_speed and images > 0 else None


def keep_speed(work: Work, speed: Speed) -> None:
    """Keep how fast such work was, unless what is known was measured over far more images.

    Where the cache may not be written nothing is kept.
    """
    before = find_speed(work)
    if before and 2 * speed.images < before.images:
        return
    with suppress(BadInput, OSError):
        write_json(_path(work), {"format": FORMAT, **asdict(work), **asdict(speed)})


def _path(work: Work) -> Path:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    here = json.dumps([platform.node(), cores, asdict(work)], sort_keys=True)
    return cache_folder() / "speeds" / f"{sha256(here.encode()).hexdigest()[:32]}.json"
