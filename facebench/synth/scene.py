"""What surrounds a head: the background, the neck and the clothes."""

from colorsys import hsv_to_rgb
from math import sin

import numpy as np

from facebench.synth.canvas import WHITE, Canvas, Colour, Field, mix, rgb
from facebench.synth.head import half_width, skin
from facebench.synth.population import FaceFactors
from facebench.synth.shapes import bump, ellipse, step


def background(face: FaceFactors, canvas: Canvas) -> None:
    """Paint a blurred place: two colours, a few large soft shapes, darker corners."""
    base = _hsv(face.background_hue, 0.5 * face.background_colour, face.background_value)
    hue, value = face.background_hue + 0.08, 0.55 * face.background_value
    slope = face.background_slope
    across = 0.5 + 0.5 * (canvas.Y * (0.5 - abs(slope)) + canvas.X * slope)
    canvas.pixels[:] = base
    canvas.paint(_hsv(hue, 0.6 * face.background_colour, value), np.clip(across, 0, 1))
    for k in range(5):
        _blur(face, canvas, k)
    canvas.tint(rgb(0.7, 0.7, 0.72), 0.5 * np.clip(canvas.X**2 + canvas.Y**2 - 0.8, 0, 1))


def _blur(face: FaceFactors, canvas: Canvas, k: int) -> None:
    # Multiples of irrational numbers scatter evenly, so one factor places all the shapes.
    a, b, c = ((face.background_shapes * (k + 1) * r) % 1 for r in (0.754878, 0.569840, 0.819173))
    spot = bump(canvas.X - 2.4 * a + 1.2, canvas.Y - 2.2 * b + 1.2, 0.15 + 0.3 * c, 0.15 + 0.6 * a)
    colour = _hsv(face.background_hue + 0.3 * (c - 0.5), 0.6 * face.background_colour, (a + c) % 1)
    canvas.paint(colour, 0.55 * spot)


def body(face: FaceFactors, canvas: Canvas) -> None:
    """Paint the neck with the chin's shadow on it, and the clothes."""
    _neck(face, canvas.within(canvas.y > 0.2))
    part = canvas.within(canvas.Y > 0.45)
    x = part.X - face.shift_x + 0.1 * sin(face.yaw)
    top = part.Y - 0.80 - 0.55 * np.maximum(np.abs(x) - 0.30, 0) ** 1.3 / face.shoulders
    cut = _neckline(face, x, part.Y)
    cloth = part.edge(np.maximum(-top, -cut))
    colour = _hsv(face.clothes_hue, 0.75 * face.clothes_colour, face.clothes_value)
    folds = 0.9 + 0.10 * np.sin(9 * x + 5 * part.Y) + 0.25 * face.light_x * x
    part.paint(colour * folds, cloth)
    if face.neckline == "collar":
        part.paint(mix(colour, WHITE, 0.55), part.edge(np.abs(cut - 0.05) - 0.05) * cloth)
    part.tint(rgb(0.6, 0.58, 0.58), 0.7 * cloth * part.edge(cut - 0.03, 0.08))


def _neckline(face: FaceFactors, x: Field, y: Field) -> Field:
    if face.neckline == "round":
        return ellipse(x, y - 0.72, 0.34, 0.20)
    depth = 1.12 if face.neckline == "vee" else 1.02
    return np.maximum(np.abs(x) * 1.1 + y - depth, -y)


def _neck(face: FaceFactors, canvas: Canvas) -> None:
    x = canvas.x - 0.04 * sin(face.yaw)
    width = 0.60 * half_width(face) + 0.5 * np.maximum(canvas.y - 0.72, 0)
    across = x / width
    near = canvas.edge((np.abs(across) - 1) * 0.3)
    shade = 0.92 - 0.30 * across**2 + 0.22 * face.light_strength * face.light_x * across
    canvas.paint(skin(face) * shade, near * step(0.2, 0.3, canvas.y))
    chin = ellipse(x - 0.15 * sin(face.yaw) + 0.1 * face.light_x, canvas.y - 0.35, 0.38, 0.48)
    depth = (0.4 + 0.6 * face.light_strength) * near
    canvas.tint(rgb(0.50, 0.38, 0.35), depth * canvas.edge(chin, 0.22))


def _hsv(hue: float, saturation: float, value: float) -> Colour:
    return rgb(*hsv_to_rgb(hue % 1, saturation, value))
