"""The mouth, and the beard around it."""

import numpy as np

from facebench.synth.canvas import Canvas, Field, mix, rgb
from facebench.synth.hair import hair_colour, strands
from facebench.synth.head import skin
from facebench.synth.population import FaceFactors
from facebench.synth.shapes import bump, ridge, step

MOUTH = 0.405


def mouth(face: FaceFactors, canvas: Canvas) -> None:
    """Paint the lips, and teeth where they part."""
    near = canvas.around(0.0, MOUTH, 0.36, 0.22)
    half = 0.165 * face.mouth_width * (1 + 0.22 * max(face.smile, 0))
    across = np.minimum((near.u / half) ** 2, 1.5)
    round_ = np.maximum(1 - across, 0)
    y = near.v - MOUTH + 0.07 * (face.smile + 0.12) * (across - 0.45)
    gap = 0.080 * face.mouth_open * round_**0.7
    bow = 1 - 0.28 * ridge(near.u, 0.03)
    top = -0.30 * gap - 0.040 * face.lip_fullness * round_**0.8 * bow
    bottom = 0.70 * gap + 0.056 * face.lip_fullness * round_**0.9
    present = np.minimum(round_ * 10, 1)
    body = near.edge(np.maximum(top - y, y - bottom), 0.012) * present
    _lips(face, near, y, bottom, body)
    _between(face, near, y + 0.30 * gap, gap, present)
    corner = bump(np.abs(near.u) - half, y, 0.022, 0.018)
    near.tint(rgb(0.55, 0.40, 0.37), 0.75 * corner)


def _lips(face: FaceFactors, near: Canvas, y: Field, bottom: Field, body: Field) -> None:
    bare = skin(face) * rgb(0.86, 0.62, 0.60)
    colour = mix(bare, rgb(0.72, 0.15, 0.20), 0.65 * max(face.lip_colour - 0.25, 0))
    near.paint(colour, body)
    near.tint(rgb(0.80, 0.72, 0.72), body * step(0.008, -0.012, y))
    shine = bump(near.u, y - 0.7 * bottom, 0.07, 0.014)
    near.paint(rgb(1.0, 0.9, 0.9), 0.20 * face.gloss * body * shine)


def _between(face: FaceFactors, near: Canvas, down: Field, gap: Field, present: Field) -> None:
    """Paint what is between the lips; `down` is 0 at the upper lip and `gap` at the lower."""
    inside = near.edge(np.maximum(-down, down - gap)) * step(0.004, 0.016, gap)
    near.paint(rgb(0.26, 0.07, 0.07), inside)
    teeth = near.edge(down - 0.82 * gap, 0.008) * inside
    ivory = 0.94 - 0.05 * np.abs(np.sin(near.u * 75)) - 0.5 * (near.u / 0.2) ** 2
    near.paint(ivory * rgb(1.0, 0.97, 0.93), teeth)
    line = near.edge(np.abs(down - gap / 2) - 0.004, 0.008) * (1 - step(0.004, 0.016, gap))
    near.paint(rgb(0.32, 0.12, 0.11), 0.75 * line * present)


def beard(face: FaceFactors, canvas: Canvas) -> None:
    """Paint the beard on the skin; the mouth comes after it."""
    if face.beard == "none":
        return
    near = canvas.within(canvas.v > 0.05)
    grain = 0.90 + 0.16 * strands(face, 1.6 * near.u, 0.5 * near.v)
    strength = (0.40 if face.beard == "stubble" else 0.92) * face.beard_density
    opaque = np.clip(strength * grain, 0, 0.97)
    near.paint(hair_colour(face) * 0.8, opaque * _beard_area(face.beard, near))


def _beard_area(beard: str, near: Canvas) -> Field:
    u, v, side = near.u, near.v, np.abs(near.u)
    lip = bump(side - 0.09, v - 0.325 - 0.35 * side**2, 0.12, 0.036)
    moustache: Field = np.minimum(1.5 * lip * step(0.26, 0.30, v), 1)
    if beard == "moustache":
        return moustache
    chin = near.edge(np.abs(np.hypot(u / 0.21, (v - 0.46) / 0.20) - 1) * 0.2 - 0.04, 0.06)
    if beard == "goatee":
        return np.maximum(chin, bump(u, v - 0.62, 0.15, 0.10)) * step(0.26, 0.34, v)
    cheek = 0.46 - 0.95 * np.maximum(side - 0.14, 0)
    return np.maximum(near.edge(cheek - v, 0.10), moustache)
