"""One face after the other, from back to front."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from facebench.sampler import Images, to_uint8
from facebench.synth import eyes, glasses, hair, head, mouth, relief, scene
from facebench.synth.canvas import Canvas
from facebench.synth.population import FaceFactors, factors
from facebench.synth.pose import blank

OVERSAMPLING = 2
"""Edges are soft already; twice the size smooths what is thinner than a pixel."""


def render(seeds: Sequence[int], size: int = 64) -> Images:
    """Return the faces of `seeds`, ``uint8`` of shape ``(len(seeds), 3, size, size)``."""
    images = np.empty((len(seeds), 3, size, size), np.uint8)
    for image, seed in zip(images, seeds, strict=True):
        image[:] = draw(factors(int(seed)), size)
    return images


def draw(face: FaceFactors, size: int) -> UInt8[np.ndarray, "3 h w"]:
    """Return one face as ``uint8`` RGB of shape ``(3, size, size)``."""
    canvas = blank(face, OVERSAMPLING * size)
    scene.background(face, canvas)
    mane = hair.mane(face, canvas)
    hair.back_hair(face, canvas, mane)
    scene.body(face, canvas)
    head.ears(face, canvas)
    _face(face, head.room(canvas))
    hair.front_hair(face, canvas, mane)
    glasses.glasses(face, canvas)
    return to_uint8(_shrink(canvas.pixels), 0.0, 1.0)


def _face(face: FaceFactors, canvas: Canvas) -> None:
    """Paint the face on a canvas of its own, light it, and lay it over what is behind."""
    reach = head.outline(face, canvas)
    own = canvas.copy()
    head.complexion(face, own)
    mouth.beard(face, own)
    eyes.brows(face, own)
    mouth.mouth(face, own)
    eyes.eyes(face, own)
    head.nostrils(face, own)
    relief.illuminate(face, own, relief.relief(face, own, reach))
    glasses.temples(face, own)
    hair.hair_shadow(face, own, hair.mane(face, own))
    canvas.paint(own.pixels, canvas.edge(head.distance(face, reach)))


def _shrink(pixels: np.ndarray) -> np.ndarray:
    n = OVERSAMPLING
    corners = [pixels[:, i::n, j::n] for i in range(n) for j in range(n)]
    return np.add.reduce(corners) / n**2
