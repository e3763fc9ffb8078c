"""Hair: one shape with a few dials, one row of dials per style."""

from dataclasses import dataclass
from math import sin

import numpy as np

from facebench.synth.canvas import Canvas, Colour, Field, mix, ramp, rgb
from facebench.synth.head import half_width
from facebench.synth.population import FaceFactors
from facebench.synth.shapes import ellipse, join, meet, ridge, step

HAIR = (
    (0.075, 0.060, 0.055), (0.17, 0.110, 0.080), (0.31, 0.200, 0.130),
    (0.47, 0.330, 0.210), (0.72, 0.560, 0.360), (0.90, 0.800, 0.600),
)  # fmt: skip


@dataclass(frozen=True)
class Style:
    """The dials of a hair style, in head units; y grows downwards and 0 is between the eyes."""

    volume: float
    """How far it stands off the skull."""
    length: float
    """Where it ends at the sides."""
    line: float = -0.56
    """Where it begins above the forehead."""
    fall: float = 0.0
    """How steeply its edge falls away from the parting."""
    slant: float = 0.0
    """How much its edge slants from one side to the other."""
    curl: float = 0.0
    across: float = 0.0
    """Whether strands run along the outline (0) or straight down (1)."""
    bun: bool = False

    @property
    def long(self) -> bool:
        """Whether it covers the ears."""
        return self.length > 0.1


STYLES = {
    "buzz": Style(0.015, 0.00, -0.54),
    "short": Style(0.08, 0.02, -0.50, slant=0.10, across=0.6),
    "swept": Style(0.14, 0.02, -0.54, slant=0.28, across=0.3),
    "curly": Style(0.17, 0.02, -0.48, curl=1.0),
    "afro": Style(0.34, 0.35, -0.50, curl=1.3),
    "bob": Style(0.12, 0.52, -0.60, fall=0.75, curl=0.1),
    "fringe": Style(0.11, 0.85, -0.24, across=1.0),
    "long": Style(0.11, 1.60, -0.64, fall=0.65),
    "wavy": Style(0.17, 1.50, -0.62, fall=0.60, curl=0.45),
    "updo": Style(0.05, 0.02, -0.54, fall=0.20, bun=True),
}


def hair_colour(face: FaceFactors) -> Colour:
    """Return the colour of the hair in full light."""
    colour = mix(ramp(HAIR, face.hair_tone), rgb(0.55, 0.21, 0.09), 0.8 * face.hair_red)
    return mix(colour, rgb(0.74, 0.73, 0.72), min(face.hair_grey * (0.3 + face.age), 0.9))


def strands(face: FaceFactors, along: Field, across: Field) -> Field:
    """Return a pattern of strands in [-1, 1]: fast in `along`, slow in `across`."""
    phase = face.hair_strands
    bend = 2.0 * across * (across + np.cos(phase))
    fine = np.sin(93 * along + 3 * bend + 1.7 * phase)
    return 0.45 * np.sin(31 * along + bend + phase) + 0.30 * np.sin(57 * along - bend) + 0.25 * fine


def curls(face: FaceFactors, x: Field, y: Field) -> Field:
    """Return a pattern of locks in [-1, 1] without a direction."""
    phase = face.hair_strands
    a = np.sin(23 * x + 1.8 * np.sin(15 * y + phase) + phase)
    b = np.sin(21 * y + 1.8 * np.sin(17 * x - phase))
    return a * b


@dataclass(frozen=True)
class Mane:
    """A hair style on one head: what both of its layers are cut from."""

    style: Style
    shell: Field
    """Distance to the hair as if there were no face."""
    front: Field
    """Distance to the hair around the face."""
    flow: Field
    """The coordinate that strands are fine along."""


def mane(face: FaceFactors, canvas: Canvas) -> Mane:
    """Return the hair of `face`; a bald head's is infinitely far away."""
    if face.hair_style == "bald":
        nowhere = np.full_like(canvas.x, np.inf)
        return Mane(Style(0.0, 0.0), nowhere, nowhere, canvas.x)
    style = STYLES[face.hair_style]
    lift = style.volume * face.hair_volume
    x, y = canvas.x + 0.08 * sin(face.yaw), canvas.y
    cap, shell = (_hanging if style.long else _cropped)(half_width(face), style, x, y, lift)
    if style.bun:
        shell = join(shell, np.hypot(x - 0.05, y + 0.84) - 0.19, 0.04)
    if style.curl:
        shell = shell + 0.035 * style.curl * curls(face, x, y)
    front = np.maximum(shell, -_opening(face, style, canvas))
    return Mane(style, shell, front, (1 - style.across) * cap + style.across * x * (1.4 + y))


def _cropped(width: float, style: Style, x: Field, y: Field, lift: float) -> tuple[Field, Field]:
    """Return the distances to the cap of short hair and to what is above the ears."""
    cap = ellipse(x, y + 0.16, width + 0.015 + 0.45 * lift, 0.60 + lift)
    return cap, meet(cap, y - style.length + 0.6 * (np.abs(x) - 0.45), 0.05)


def _hanging(width: float, style: Style, x: Field, y: Field, lift: float) -> tuple[Field, Field]:
    """Return the distances to the cap of long hair and to cap and tresses together."""
    width = width + 0.02 + 0.8 * lift
    cap = ellipse(x, y + 0.18, width, 0.58 + lift)
    sides = np.abs(x) - width * (1 + 0.10 * step(0.0, 0.9, y))
    middle = 0.5 * style.length - 0.1
    return cap, join(cap, meet(sides, np.abs(y - middle) - 0.5 * style.length, 0.06), 0.10)


def back(face: FaceFactors, canvas: Canvas, hair: Mane) -> None:
    """Paint what hangs behind the neck, in the shade."""
    shade = 0.45 + 0.12 * np.sin(50 * hair.flow + face.hair_strands)
    canvas.paint(shade * hair_colour(face), canvas.edge(hair.shell))


def front(face: FaceFactors, canvas: Canvas, hair: Mane) -> None:
    """Paint the hair around the face."""
    soft = 0.03 if hair.style.volume < 0.05 else 0.008
    canvas.paint(_sheen(face, canvas, hair), canvas.edge(hair.front, soft))


def shadow(face: FaceFactors, canvas: Canvas, hair: Mane) -> None:
    """Darken the skin below the edge of the hair."""
    reach = hair.front - 0.05 + 0.06 * face.light_y
    canvas.tint(rgb(0.48, 0.38, 0.36), (0.3 + 0.4 * face.light_strength) * canvas.edge(reach, 0.16))


def _opening(face: FaceFactors, style: Style, canvas: Canvas) -> Field:
    """Return the distance to the opening that shows the face."""
    y = canvas.y - 0.3 * sin(face.pitch)
    off = canvas.x - 0.30 * sin(face.yaw) - face.hair_part
    line = style.line + face.hair_line
    edge = line + style.fall * np.sqrt(off**2 + 0.01) + style.slant * off
    if style.across:
        edge = edge + 0.015 * np.sin(31 * off + 6 * np.sin(5 * off + face.hair_strands))
    across = (canvas.x - 0.14 * sin(face.yaw)) / (0.95 * half_width(face))
    down = np.minimum(y, 0) / (0.06 - line)
    rounded = np.sqrt(np.sqrt((across * across) ** 2 + (down * down) ** 2)) - 1
    return np.maximum(0.45 * rounded, edge - y)


def _sheen(face: FaceFactors, canvas: Canvas, hair: Mane) -> np.ndarray:
    """Return the lit colour of every pixel, as if hair were everywhere."""
    locks = strands(face, hair.flow, canvas.y)
    if hair.style.curl:
        blend = min(hair.style.curl, 1.0)
        locks = (1 - blend) * locks + blend * 1.4 * curls(face, canvas.x, canvas.y)
    lit = 0.85 + 0.45 * face.light_strength * (face.light_x * canvas.x + face.light_y * canvas.y)
    depth = 0.60 + 0.40 * step(0.0, -0.13, hair.shell)
    colour = hair_colour(face) * (lit * (1 + 0.30 * locks) * depth)
    crown = step(0.1, -0.4, canvas.y) * (0.6 + 0.6 * locks)
    band = ridge(hair.shell + 0.16, 0.09) * crown
    return colour + (0.05 + 0.10 * face.gloss) * face.light_strength * band
