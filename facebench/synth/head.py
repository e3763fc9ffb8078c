"""The head: its outline, its bare skin, its nostrils and ears."""

from math import sin

import numpy as np

from facebench.synth.canvas import (
    Canvas,
    Colour,
    Field,
    bump,
    ellipse,
    ramp,
    rgb,
    step,
)
from facebench.synth.population import FaceFactors
from facebench.synth.pose import forward

SKIN = np.array(
    [
        [0.97, 0.80, 0.70],
        [0.94, 0.73, 0.60],
        [0.88, 0.64, 0.49],
        [0.73, 0.51, 0.38],
        [0.55, 0.36, 0.26],
        [0.38, 0.24, 0.18],
    ]
)


def skin(face: FaceFactors) -> Colour:
    """Return the colour of the skin in full light."""
    undertone = rgb(1.0, 1 - 0.05 * face.skin_warmth, 1 - 0.12 * face.skin_warmth)
    return ramp(SKIN, face.skin_tone) * undertone


def half_width(face: FaceFactors) -> float:
    """Return half the width of the head at the cheeks."""
    return 0.485 * face.head_width


def room(canvas: Canvas) -> Canvas:
    """Return the part that no head reaches beyond."""
    return canvas.within((np.abs(canvas.x) < 0.66) & (np.abs(canvas.y) < 0.86))


def outline(face: FaceFactors, part: Canvas) -> Field:
    """Return how far out each pixel is: 0 at the middle of the face, 1 at its edge."""
    below = step(0.0, 0.62, part.y)
    x = part.x - 0.20 * sin(face.yaw) * below
    width = half_width(face) * (1 - (1 - face.jaw_width) * below)
    height = np.where(part.y < 0, 0.74, 0.70 * face.head_height)
    power = 2.15 + 0.9 * face.jaw_square * below
    reach = (np.abs(x / width) + 1e-4) ** power + (np.abs(part.y / height) + 1e-4) ** power
    return reach ** (1 / power)


def distance(face: FaceFactors, reach: Field) -> Field:
    """Turn `outline`'s values into (nearly) signed distances."""
    return (reach - 1) * (1.1 * half_width(face))


def complexion(face: FaceFactors, part: Canvas) -> None:
    """Paint the bare skin: blush on cheeks and nose, dim sockets, lines of age."""
    side = np.abs(part.u)
    part.pixels[:] = skin(face)[:, None, None]
    rosy = bump(side - 0.28, part.v - 0.17, 0.13, 0.11) + 0.7 * bump(
        part.u, part.v - 0.2, 0.09, 0.08
    )
    part.tint(rgb(0.97, 0.78, 0.76), 0.8 * face.blush * np.minimum(rosy, 1))
    part.tint(rgb(0.80, 0.70, 0.70), 0.5 * bump(side - 0.17, part.v + 0.06, 0.10, 0.05))
    lines = 0.5 + 0.5 * np.cos(part.v * 60 + 2 * part.u**2)
    part.tint(
        rgb(0.86, 0.78, 0.74), 0.25 * face.age * lines**2 * bump(part.u, part.v + 0.38, 0.25, 0.10)
    )


def nostrils(face: FaceFactors, part: Canvas) -> None:
    """Paint the nostrils and the shade under and beside the nose."""
    near = part.around(0.0, 0.22, 0.3, 0.2)
    u, v = forward(face, near)
    side, tip = np.abs(u) / face.nose_width, 0.20 * face.nose_length
    near.tint(rgb(0.45, 0.30, 0.28), 0.8 * bump(side - 0.042, v - tip - 0.052, 0.026, 0.014))
    near.tint(rgb(0.74, 0.58, 0.54), 0.8 * bump(side - 0.115, v - tip - 0.015, 0.016, 0.035))
    cast = bump(u + 0.05 * face.light_x, v - tip - 0.085, 0.085, 0.028)
    near.tint(rgb(0.66, 0.52, 0.48), (0.2 + 0.7 * face.light_strength) * cast)


def ears(face: FaceFactors, canvas: Canvas) -> None:
    """Paint both ears; the one turned away slips behind the head, which is painted next."""
    for side in (-1, 1):
        hidden = 0.25 * max(0.0, side * sin(face.yaw))
        middle = half_width(face) + 0.01 - hidden
        near = canvas.within(
            (np.abs(side * canvas.x - middle) < 0.18) & (np.abs(canvas.y - 0.1) < 0.25)
        )
        x = side * near.x - middle + 0.1 * (near.y - 0.05)
        d = ellipse(x, near.y - 0.06, 0.075, 0.15)
        lit = 1 + 0.25 * side * face.light_x
        near.paint(skin(face) * rgb(0.86, 0.74, 0.70) * lit, near.edge(d))
        near.tint(rgb(0.72, 0.60, 0.56), near.edge(d + 0.035, 0.04))
        if face.earrings:
            near.paint(rgb(0.97, 0.90, 0.68), near.edge(ellipse(x, near.y - 0.24, 0.028, 0.034)))
