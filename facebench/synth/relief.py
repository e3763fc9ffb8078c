"""The relief of the face, and the light on it."""

import numpy as np

from facebench.synth.canvas import Canvas, Field, bump, rgb, step
from facebench.synth.population import FaceFactors
from facebench.synth.pose import forward


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


def _light(face: FaceFactors) -> np.ndarray:
    """Return the unit vector towards the light."""
    towards = np.array([face.light_x, face.light_y, 0.8])
    return towards / np.linalg.norm(towards)


def illuminate(face: FaceFactors, part: Canvas, height: Field) -> None:
    """Multiply the painted skin by the light that falls on its relief, and add its gloss."""
    down, right = np.gradient(height, part.pixel)
    steep = 1 / np.sqrt(right**2 + down**2 + 1)
    towards = _light(face)
    facing = (towards[2] - towards[0] * right - towards[1] * down) * steep
    shade = 1.04 - face.light_strength * (1.04 - 1.12 * np.maximum(facing + 0.12, 0) / 1.12)
    # Light that has gone through skin comes out red: the half-dark is warmer than the bright.
    glow = 0.16 * np.clip(1 - shade, 0, 0.6)
    key = rgb(1 + 0.06 * face.light_warmth, 1.0, 1 - 0.10 * face.light_warmth)
    part.pixels[:] *= shade * key[:, None, None] + glow * rgb(1.0, 0.1, -0.1)[:, None, None]
    half = towards + np.array([0, 0, 1])
    half /= np.linalg.norm(half)
    mirror = np.maximum((half[2] - half[0] * right - half[1] * down) * steep, 0)
    part.pixels[:] += (0.03 + 0.13 * face.gloss) * mirror**24
