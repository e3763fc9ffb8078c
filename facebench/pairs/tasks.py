"""Tasks: what is asked for is a face, and what is given is made of it.

Each is a function of images ``uint8`` (n, 3, s, s), the targets, and of nothing else but their
indices, by which what is random is drawn: the source of an image is the same alone and among
others.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from PIL import Image

from facebench.data.decode import to_array
from facebench.errors import BadInput
from facebench.sampler import Images
from facebench.training.learner import generator

Grey = UInt8[np.ndarray, "n h w"]
Sources = UInt8[np.ndarray, "n 3 source_h source_w"]
"""Like `Images`, in a size of their own."""
FILL = 127
"""The grey level of a box that is to be painted: there is no other sign of where it is."""
NOISIEST = 255
"""Standard deviation of noise at most: more leaves nothing of a picture."""
CANNY_SIGMA, CANNY_LOW, CANNY_HIGH = 1.0, 8.0, 16.0
"""Pixels that are smoothed over; grey levels a pixel from which an edge goes on, and begins."""


def super_resolution(images: Images, factor: int = 4) -> Sources:
    """Return the images at 1/`factor` of their size, by Pillow's antialiased bicubic filter.

    It is the reduction of super-resolution's benchmarks (Timofte et al. 2017, NTIRE), whose own is
    MATLAB's.

    Raises:
        BadInput: the size does not divide by `factor`.
    """
    height, width = images.shape[2:]
    if height % factor or width % factor:
        raise BadInput(
            f"Images of {width}×{height} pixels cannot be reduced by --factor {factor}: give a "
            "factor that divides their size, or prepare the data set at another --size."
        )
    size = width // factor, height // factor
    pictures = (picture.resize(size, Image.Resampling.BICUBIC) for picture in _pictures(images))
    return np.stack([to_array(picture) for picture in pictures])


def inpainting(
    images: Images, indices: Sequence[int], place: str = "centre", seed: int = 0
) -> Images:
    """Return the images with a box of half their height and width filled with grey 127.

    A quarter of the pixels is to be painted, as by the context encoder's central box (Pathak et al.
    2016, arXiv:1604.07379). It is in the centre, or for the `place` "random" anywhere, drawn by
    `seed` and the image's index.
    """
    height, width = images.shape[2:]
    box = np.array([height // 2, width // 2])
    room = np.array([height, width]) - box
    sources = images.copy()
    for source, index in zip(sources, indices, strict=True):
        is_drawn = place == "random"
        top, left = generator(seed, index).integers(room + 1) if is_drawn else room // 2
        source[:, top : top + box[0], left : left + box[1]] = FILL
    return sources


def colourisation(images: Images) -> Images:
    """Return the images in grey: Pillow's luma of ITU-R 601, the same in all three channels."""
    return np.repeat(luma(images)[:, None], 3, axis=1)


def edges(images: Images) -> Images:
    """Return the images' edges, black lines on white (Canny 1986)."""
    lines = canny(luma(images).astype(np.float32))
    return np.repeat(np.where(lines, 0, 255).astype(np.uint8)[:, None], 3, axis=1)


def denoising(
    images: Images, indices: Sequence[int], sigma: int | float = 25, seed: int = 0
) -> Images:
    """Return the images under Gaussian noise of `sigma` grey levels, rounded and clipped.

    Each value has its own, drawn by `seed` and the image's index; 25 is the customary level (Zhang
    et al. 2017, arXiv:1608.03981).
    """
    sources = np.empty_like(images)
    for source, image, index in zip(sources, images, indices, strict=True):
        noise = generator(seed, index).standard_normal(image.shape, dtype=np.float32)
        source[:] = np.rint(image + np.float32(sigma) * noise).clip(0, 255)
    return sources


def luma(images: Images) -> Grey:
    """Return Pillow's luma, (299 R + 587 G + 114 B) / 1000 rounded."""
    return np.stack([np.asarray(picture.convert("L")) for picture in _pictures(images)])


def canny(grey: Float32[np.ndarray, "n h w"]) -> Bool[np.ndarray, "n h w"]:
    """Return where edges are in `grey`, whose levels are 0 to 255 (Canny 1986).

    The gradient is that of the picture smoothed by a Gaussian. Of each of its ridges only the crest
    is kept: where it is steep, and along the crest from there for as long as it is not flat.
    """
    from scipy import ndimage

    sigma = (0, CANNY_SIGMA, CANNY_SIGMA)
    down = ndimage.gaussian_filter(grey, sigma, order=(0, 1, 0), mode="nearest")
    right = ndimage.gaussian_filter(grey, sigma, order=(0, 0, 1), mode="nearest")
    steepness = np.hypot(down, right)
    crest = _crest(steepness, down, right)
    within_a_picture = np.zeros((3, 3, 3), bool)
    within_a_picture[1] = True
    lines, _ = ndimage.label(crest & (steepness > CANNY_LOW), within_a_picture)
    steep = np.unique(lines[crest & (steepness > CANNY_HIGH)])
    return np.isin(lines, steep[steep > 0])


def _crest(
    steepness: Float32[np.ndarray, "n h w"],
    down: Float32[np.ndarray, "n h w"],
    right: Float32[np.ndarray, "n h w"],
) -> Bool[np.ndarray, "n h w"]:
    """Return where it is steeper than on either side, across the edge, to an eighth of a turn."""
    height, width = steepness.shape[1:]
    around = np.pad(steepness, ((0, 0), (1, 1), (1, 1)))
    eighth = np.rint(np.arctan2(down, right) / (np.pi / 4)).astype(int) % 4
    crest = np.zeros(steepness.shape, bool)
    for direction, (y, x) in enumerate(((0, 1), (1, 1), (1, 0), (1, -1))):
        ahead, behind = (
            around[:, 1 + s * y : 1 + s * y + height, 1 + s * x : 1 + s * x + width]
            for s in (1, -1)
        )
        crest |= (eighth == direction) & (steepness > ahead) & (steepness >= behind)
    return crest


def _pictures(images: Images) -> Iterator[Image.Image]:
    return map(Image.fromarray, np.ascontiguousarray(images.transpose(0, 2, 3, 1)))


@dataclass(frozen=True)
class Task:
    """How sources are made, and by which options."""

    make: Callable[..., Sources]
    """Takes images, and the options by name."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What it can be told besides, and what it takes where it is not."""
    draws: bool = False
    """Whether it is random: it takes indices and a seed, too."""


TASKS = {
    "super-resolution": Task(super_resolution, {"factor": 4}),
    "inpainting": Task(inpainting, {"place": "centre"}, draws=True),
    "colourisation": Task(colourisation),
    "edges": Task(edges),
    "denoising": Task(denoising, {"sigma": 25.0}, draws=True),
}
"""By the names of ``facebench data pairs --task``."""


def options_of(task: str, given: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Return all that the sources of `task` depend on besides the images.

    Args:
        task: its name in :data:`TASKS`.
        given: options by name; None is one that is not given.
        seed: of what is random, which not every task is.

    Raises:
        BadInput: there is no such task, an option is given that is another task's, or its value
            makes no sources.
    """
    if task not in TASKS:
        raise BadInput(f"There is no task {task!r}; there are: {', '.join(TASKS)}.")
    wanted = {name: value for name, value in given.items() if value is not None}
    for name in wanted:
        if name not in TASKS[task].options:
            (home,) = (each for each, known in TASKS.items() if name in known.options)
            raise BadInput(f"--{name} is for --task {home}, not for {task}: leave it out.")
    options = {**TASKS[task].options, **wanted}
    if not 0 < options.get("sigma", NOISIEST) <= NOISIEST:
        raise BadInput(f"--sigma {options['sigma']} is not above 0 and at most {NOISIEST}.")
    if options.get("factor", 2) < 2:
        raise BadInput(f"--factor {options['factor']} makes nothing smaller: give 2 or more.")
    is_random = TASKS[task].draws and options.get("place") != "centre"
    return options | ({"seed": seed} if is_random else {})


def sources_of(
    task: str, images: Images, indices: Sequence[int], options: Mapping[str, Any]
) -> Sources:
    """Return the sources of `images`, whose indices in their data set are `indices`."""
    chosen = TASKS[task]
    return (
        chosen.make(images, indices, **options) if chosen.draws else chosen.make(images, **options)
    )
