"""The eyes with their lids and lashes, the brows above them and the glasses before them."""

from math import copysign, sin

import numpy as np

from facebench.synth.canvas import WHITE, Canvas, Field, forward, mix, ramp, rgb
from facebench.synth.hair import hair_colour
from facebench.synth.population import FaceFactors
from facebench.synth.shapes import box, bump, ridge, step

IRIS = (
    (0.16, 0.09, 0.05), (0.32, 0.19, 0.10), (0.45, 0.38, 0.18),
    (0.36, 0.46, 0.32), (0.40, 0.54, 0.66), (0.55, 0.62, 0.68),
)  # fmt: skip
FRAMES = ((0.05, 0.05, 0.06), (0.30, 0.16, 0.09), (0.72, 0.62, 0.42))
EYE = (0.215, -0.04)
"""Where an eye is, in face coordinates, the other mirrored."""


def eyes(face: FaceFactors, canvas: Canvas) -> None:
    """Paint both eyes with their lids and lashes."""
    for side in (-1, 1):
        near = canvas.around(side * EYE[0], EYE[1], 0.19, 0.15)
        x = (side * near.u - EYE[0] * face.eye_spacing) / face.eye_size
        y = (near.v - EYE[1]) / face.eye_size + face.eye_tilt * x
        _eye(face, near, x, y, side)


def _eye(face: FaceFactors, near: Canvas, x: Field, y: Field, side: int) -> None:
    almond = np.maximum(1 - (x / 0.105) ** 2, 0)
    upper = -0.056 * face.eye_open * almond**0.8
    lower = (0.034 - 0.010 * max(face.smile, 0)) * almond
    _lids(face, near, x, y - upper)
    inside = near.edge(np.maximum(upper - y, y - lower)) * np.minimum(almond * 8, 1)
    near.paint(rgb(0.90, 0.87, 0.85), inside)
    near.tint(rgb(0.88, 0.68, 0.62), inside * step(0.05, 0.11, np.abs(x)))
    aside = side * (0.04 * face.gaze_x - 0.05 * sin(face.yaw))
    _iris(face, near, x - aside, y + 0.008 - 0.03 * face.gaze_y, inside)
    near.tint(rgb(0.45, 0.40, 0.40), inside * (1 - step(0.0, 0.030, y - upper)))
    thick = (0.010 + 0.009 * face.eye_makeup) * (0.6 + 4 * np.maximum(x + 0.05, 0))
    lash = near.edge(np.abs(y - upper) - thick) * step(0.13, 0.10, np.abs(x))
    near.paint(rgb(0.09, 0.06, 0.05), lash)
    near.tint(rgb(0.62, 0.48, 0.44), 0.7 * np.minimum(almond * 4, 1) * ridge(y - lower, 0.012))


def _lids(face: FaceFactors, near: Canvas, x: Field, above: Field) -> None:
    shadow = bump(x - 0.01, above + 0.045, 0.12, 0.045)
    near.tint(rgb(0.60, 0.44, 0.46), 0.75 * face.eye_makeup * shadow)
    near.tint(rgb(0.62, 0.48, 0.43), 0.8 * bump(x, above + 0.030, 0.10, 0.011))


def _iris(face: FaceFactors, near: Canvas, x: Field, y: Field, inside: Field) -> None:
    radius = np.hypot(x, y)
    colour = ramp(IRIS, face.iris_tone)
    near.paint(colour * 0.45, inside * near.edge(radius - 0.047, 0.008))
    near.paint(colour, inside * near.edge(radius - 0.039, 0.014))
    bright = mix(colour, rgb(1.0, 0.9, 0.7), 0.25)
    near.paint(bright, 0.8 * inside * bump(x, y - 0.02, 0.025, 0.014))
    near.paint(rgb(0.03, 0.02, 0.02), inside * near.edge(radius - 0.019))
    glint = np.hypot(x - copysign(0.02, face.light_x), y + 0.016)
    near.paint(rgb(1.5, 1.5, 1.5), inside * near.edge(glint - 0.010, 0.006))


def brows(face: FaceFactors, canvas: Canvas) -> None:
    """Paint both brows, darker than the hair and thinner towards the temples."""
    for side in (-1, 1):
        near = canvas.around(side * 0.21, -0.19, 0.22, 0.15)
        x = side * near.u - 0.205
        arch = -0.195 - face.brow_height - 0.03 * (1 - ((x - 0.03) / 0.15) ** 2)
        middle = arch - face.brow_angle * x
        thick = 0.026 * face.brow_thickness * (1 - 0.65 * step(-0.02, 0.15, x))
        body = near.edge(np.abs(near.v - middle) - thick, 0.025) * near.edge(np.abs(x) - 0.14, 0.06)
        hairs = 0.88 + 0.12 * np.sin(260 * (x + 0.6 * near.v))
        near.paint(hair_colour(face) * 0.62, (0.55 + 0.40 * face.brow_depth) * body * hairs)


def temples(face: FaceFactors, canvas: Canvas) -> None:
    """Paint what runs from the frame to the ears; hair comes over it."""
    if face.glasses == "none":
        return
    near = canvas.around(0.0, -0.06, 0.75, 0.1)
    u, v = forward(face, near)
    bar = np.maximum(np.abs(v + 0.06) - 0.012, 0.36 - np.abs(u))
    near.paint(ramp(FRAMES, face.glasses_tone), near.edge(bar))


def glasses(face: FaceFactors, canvas: Canvas) -> None:
    """Put the frame before the face, with its shadow and the sheen of its lenses."""
    if face.glasses == "none":
        return
    near = canvas.around(0.0, -0.03, 0.75, 0.35)
    u, v = forward(face, near)
    x, y = np.abs(u) - 0.225, v + 0.025
    lens = np.hypot(x, y) - 0.155 if face.glasses == "round" else box(x, y, 0.175, 0.125, 0.05)
    near.tint(rgb(0.7, 0.62, 0.6), 0.5 * near.edge(np.abs(lens - 0.015) - 0.012, 0.05))
    near.paint(WHITE, near.edge(lens) * (0.05 + 0.10 * ridge(u + v - 0.1, 0.07)))
    bridge = np.maximum(np.abs(v + 0.05 - 2 * u**2) - 0.012, np.abs(u) - 0.075)
    near.paint(ramp(FRAMES, face.glasses_tone), near.edge(np.minimum(np.abs(lens) - 0.013, bridge)))
