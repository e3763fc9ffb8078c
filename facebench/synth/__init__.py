"""Painted faces: a small data set that needs no download, with every factor of variation known.

A face is a relief (a dome with a nose, sockets, cheeks and lips) painted with albedo, turned by its
pose and lit from one side, under hair, over a background. One integer seed is one face.

>>> render([3, 7], size=32).shape
(2, 3, 32, 32)
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import UInt8

from facebench.sampler import Images, to_uint8
from facebench.synth import eyes, hair, head, mouth, scene
from facebench.synth.attributes import ATTRIBUTES, attributes
from facebench.synth.canvas import Canvas, blank
from facebench.synth.people import another
from facebench.synth.population import FaceFactors, factors

__all__ = ["ATTRIBUTES", "FaceFactors", "another", "attributes", "draw", "factors", "render"]

_OVERSAMPLING = 2  # edges are soft already; twice the size smooths what is thinner than a pixel


def render(seeds: Sequence[int], size: int = 64) -> Images:
    """Return the faces of `seeds`, ``uint8`` of shape ``(len(seeds), 3, size, size)``."""
    images = np.empty((len(seeds), 3, size, size), np.uint8)
    for image, seed in zip(images, seeds, strict=True):
        image[:] = draw(factors(int(seed)), size)
    return images


def draw(face: FaceFactors, size: int) -> UInt8[np.ndarray, "3 h w"]:
    """Return one face as ``uint8`` RGB of shape ``(3, size, size)``, painted from back to front."""
    canvas = blank(face, _OVERSAMPLING * size)
    mane = hair.mane(face, canvas)
    scene.background(face, canvas)
    hair.back(face, canvas, mane)
    scene.body(face, canvas)
    head.ears(face, canvas)
    _face(face, head.room(canvas))
    hair.front(face, canvas, mane)
    eyes.glasses(face, canvas)
    return to_uint8(_shrink(canvas.pixels), 0.0, 1.0)


def _face(face: FaceFactors, canvas: Canvas) -> None:
    """Paint the face on a canvas of its own, light it, and lay it over what is behind."""
    reach = head.outline(face, canvas)
    own = replace(canvas, pixels=canvas.pixels.copy())
    head.complexion(face, own)
    mouth.beard(face, own)
    eyes.brows(face, own)
    mouth.mouth(face, own)
    eyes.eyes(face, own)
    head.nostrils(face, own)
    head.illuminate(face, own, head.relief(face, own, reach))
    eyes.temples(face, own)
    hair.shadow(face, own, hair.mane(face, own))
    canvas.paint(own.pixels, canvas.edge(head.distance(face, reach)))


def _shrink(pixels: np.ndarray) -> np.ndarray:
    n = _OVERSAMPLING
    corners = [pixels[:, i::n, j::n] for i in range(n) for j in range(n)]
    return np.add.reduce(corners) / n**2
