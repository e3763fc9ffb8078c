"""The head: its outline, its bare skin and ears, the relief of the face and the light on it."""

from math import sin

import numpy as np

from facebench.synth.canvas import Canvas, Colour, Field, forward, ramp, rgb
from facebench.synth.population import FaceFactors
from facebench.synth.shapes import bump, ellipse, step

SKIN = (
    (0.97, 0.80, 0.70), (0.94, 0.73, 0.60), (0.88, 0.64, 0.49),
    (0.73, 0.51, 0.38), (0.55, 0.36, 0.26), (0.38, 0.24, 0.18),
)  # fmt: skip


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
    u, v, side = part.u, part.v, np.abs(part.u)
    part.pixels[:] = skin(face)
    rosy = bump(side - 0.28, v - 0.17, 0.13, 0.11) + 0.7 * bump(u, v - 0.2, 0.09, 0.08)
    part.tint(rgb(0.97, 0.78, 0.76), 0.8 * face.blush * np.minimum(rosy, 1))
    part.tint(rgb(0.80, 0.70, 0.70), 0.5 * bump(side - 0.17, v + 0.06, 0.10, 0.05))
    lines = 0.25 * face.age * (0.5 + 0.5 * np.cos(v * 60 + 2 * u**2)) ** 2
    part.tint(rgb(0.86, 0.78, 0.74), lines * bump(u, v + 0.38, 0.25, 0.10))


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
        middle = half_width(face) + 0.01 - 0.25 * max(0.0, side * sin(face.yaw))
        beside = np.abs(side * canvas.x - middle) < 0.18
        near = canvas.within(beside & (np.abs(canvas.y - 0.1) < 0.25))
        x = side * near.x - middle + 0.1 * (near.y - 0.05)
        d = ellipse(x, near.y - 0.06, 0.075, 0.15)
        lit = 1 + 0.25 * side * face.light_x
        near.paint(skin(face) * rgb(0.86, 0.74, 0.70) * lit, near.edge(d))
        near.tint(rgb(0.72, 0.60, 0.56), near.edge(d + 0.035, 0.04))
        if face.earrings:
            near.paint(rgb(0.97, 0.90, 0.68), near.edge(ellipse(x, near.y - 0.24, 0.028, 0.034)))


def relief(face: FaceFactors, part: Canvas, reach: Field) -> Field:
    """Return the height of the face towards the viewer: a dome with everything that casts shade."""
    dome = 0.50 * np.sqrt(np.maximum(1.06 - reach**2, 0))
    return dome + _flesh(face, part) + _eye_region(face, part) + _nose(face, part)


def _flesh(face: FaceFactors, part: Canvas) -> Field:
    u, v, side = part.u, part.v, np.abs(part.u)
    crease = 0.008 * (0.3 + face.age + max(face.smile, 0))
    groove = bump(side - 0.12 - 0.45 * (v - 0.20), v - 0.30, 0.022, 0.10)
    return (
        0.050 * face.cheekbones * bump(side - 0.29, v - 0.12, 0.12, 0.12)
        - crease * groove
        + 0.020 * face.lip_fullness * bump(u, v - 0.365, 0.13, 0.03)
        + 0.034 * face.lip_fullness * bump(u, v - 0.445, 0.10, 0.035)
        - 0.022 * bump(u, v - 0.51, 0.10, 0.03)
        + 0.045 * bump(u, v - 0.60, 0.12, 0.08)
    )


def _eye_region(face: FaceFactors, part: Canvas) -> Field:
    v, side = part.v, np.abs(part.u)
    return (
        0.026 * bump(side - 0.19, v + 0.18, 0.16, 0.05)
        - 0.055 * bump(side - 0.17, v + 0.07, 0.10, 0.06)
        + 0.020 * bump(side - 0.215, v + 0.035, 0.07, 0.04)
        - 0.012 * face.age * bump(side - 0.21, v - 0.045, 0.09, 0.02)
    )


def _nose(face: FaceFactors, part: Canvas) -> Field:
    u, v = forward(face, part)
    tip = 0.20 * face.nose_length
    rise = step(-0.16, tip, v)
    ridge = np.exp(-((u / (0.05 + 0.035 * face.nose_width * rise)) ** 2))
    wings = bump(np.abs(u) - 0.078 * face.nose_width, v - tip - 0.02, 0.035, 0.035)
    ball = bump(u, v - tip, 0.055 * face.nose_width, 0.05)
    under = 1 - step(tip, tip + 0.10, v)
    return (0.035 + 0.075 * rise) * ridge * under * step(-0.3, -0.1, v) + 0.025 * (wings + ball)


def illuminate(face: FaceFactors, part: Canvas, height: Field) -> None:
    """Multiply the painted skin by the light that falls on its relief, and add its gloss."""
    down, right = np.gradient(height, part.pixel)
    steep = 1 / np.sqrt(right**2 + down**2 + 1)
    towards = np.array([face.light_x, face.light_y, 0.8])
    towards /= np.linalg.norm(towards)
    facing = (towards[2] - towards[0] * right - towards[1] * down) * steep
    shade = 1.04 - face.light_strength * (1.04 - 1.12 * np.maximum(facing + 0.12, 0) / 1.12)
    # Light that has gone through skin comes out red: the half-dark is warmer than the bright.
    glow = 0.16 * np.clip(1 - shade, 0, 0.6)
    key = rgb(1 + 0.06 * face.light_warmth, 1.0, 1 - 0.10 * face.light_warmth)
    part.pixels[:] *= shade * key + glow * rgb(1.0, 0.1, -0.1)
    half = towards + np.array([0, 0, 1])
    half /= np.linalg.norm(half)
    mirror = np.maximum((half[2] - half[0] * right - half[1] * down) * steep, 0)
    part.pixels[:] += (0.03 + 0.13 * face.gloss) * mirror**24
