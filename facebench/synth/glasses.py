"""Glasses: the frame before the face, the temples along it."""

import numpy as np

from facebench.synth.canvas import WHITE, Canvas, Colour, Field, box, ramp, rgb, ridge
from facebench.synth.population import FaceFactors
from facebench.synth.pose import forward

FRAMES = np.array([[0.05, 0.05, 0.06], [0.30, 0.16, 0.09], [0.72, 0.62, 0.42]])


def temples(face: FaceFactors, canvas: Canvas) -> None:
    """Paint what runs from the frame to the ears; hair comes over it."""
    if face.glasses == "none":
        return
    near = canvas.around(0.0, -0.06, 0.75, 0.1)
    u, v = forward(face, near)
    bar = np.maximum(np.abs(v + 0.06) - 0.012, 0.36 - np.abs(u))
    near.paint(_frame_colour(face), near.edge(bar))


def glasses(face: FaceFactors, canvas: Canvas) -> None:
    """Put the frame before the face, with its shadow and the sheen of its lenses."""
    if face.glasses == "none":
        return
    near = canvas.around(0.0, -0.03, 0.75, 0.35)
    u, v = forward(face, near)
    lens = _lens(face, np.abs(u) - 0.225, v + 0.025)
    near.tint(rgb(0.7, 0.62, 0.6), 0.5 * near.edge(np.abs(lens - 0.015) - 0.012, 0.05))
    near.paint(WHITE, near.edge(lens) * (0.05 + 0.10 * ridge(u + v - 0.1, 0.07)))
    bridge = np.maximum(np.abs(v + 0.05 - 2 * u**2) - 0.012, np.abs(u) - 0.075)
    near.paint(_frame_colour(face), near.edge(np.minimum(np.abs(lens) - 0.013, bridge)))


def _lens(face: FaceFactors, x: Field, y: Field) -> Field:
    if face.glasses == "round":
        return np.hypot(x, y) - 0.155
    return box(x, y, 0.175, 0.125, 0.05)


def _frame_colour(face: FaceFactors) -> Colour:
    return ramp(FRAMES, face.glasses_tone)
