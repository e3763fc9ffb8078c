"""Where things are: coordinates of the picture, of the upright head, of the face's surface."""

from math import cos, sin

import numpy as np

from facebench.synth.canvas import Canvas, Field
from facebench.synth.population import FaceFactors

DOME = (0.56, 0.80)
"""Half axes of the ellipsoid that carries the features, in head units, and half as deep as wide."""
FORWARD = 0.10
"""How far the nose tip and the glasses stand before that ellipsoid."""


def blank(face: FaceFactors, size: int) -> Canvas:
    """Return an empty square canvas with the coordinates that the pose of `face` gives."""
    ticks = (np.arange(size, dtype=np.float64) + 0.5) * (2 / size) - 1
    X, Y = (np.ascontiguousarray(field) for field in np.meshgrid(ticks, ticks))
    x, y = _upright(face, X, Y)
    u, v = _surface(face, x, y)
    pixels = np.zeros((3, size, size))
    return Canvas(pixels, X, Y, x, y, u, v, 2 / (size * face.zoom))


def forward(face: FaceFactors, part: Canvas) -> tuple[Field, Field]:
    """Return ``u, v`` of what stands `FORWARD` of the face, which turns farther with the head."""
    return part.u - FORWARD * sin(face.yaw), part.v - FORWARD * sin(face.pitch)


def _upright(face: FaceFactors, X: Field, Y: Field) -> tuple[Field, Field]:
    # The eyes stay near the middle as in an aligned crop, so the skull moves against the turn.
    right = (X - face.shift_x) / face.zoom + 0.5 * DOME[0] * sin(face.yaw)
    down = (Y - face.shift_y) / face.zoom + 0.5 * DOME[1] * sin(face.pitch)
    c, s = cos(face.roll), sin(face.roll)
    return c * right + s * down, c * down - s * right


def _surface(face: FaceFactors, x: Field, y: Field) -> tuple[Field, Field]:
    right, down = x / DOME[0], y / DOME[1]
    front = np.sqrt(np.maximum(1 - right**2 - down**2, 0.05))
    u = cos(face.yaw) * right - sin(face.yaw) * front
    front = sin(face.yaw) * right + cos(face.yaw) * front
    v = cos(face.pitch) * down - sin(face.pitch) * front
    return DOME[0] * u, DOME[1] * v
