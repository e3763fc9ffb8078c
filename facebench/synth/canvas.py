"""A canvas: its pixels, their coordinates in the picture and on the head, and colours to lay on.

All of it is float64: in float32 the last bit of `exp` and `sin` differs between processors often
enough to show in a picture (12 of 2.5 million values), and a data set's digest must not.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import cos, sin
from typing import TypeAlias

import numpy as np

from facebench.synth.population import FaceFactors

Field: TypeAlias = np.ndarray
"""One float64 value per pixel, shape (h, w)."""
Colour: TypeAlias = np.ndarray
"""Red, green and blue, 1 the brightest: of shape (3, 1, 1), or (3, h, w) where it varies."""

DOME = (0.56, 0.80)
"""Half axes of the ellipsoid that carries the features, in head units, and half as deep as wide."""
FORWARD = 0.10
"""How far the nose tip and the glasses stand before that ellipsoid."""


@dataclass(frozen=True)
class Canvas:
    """Pixels and what is known of each: `pixels` is (3, h, w), all other fields are (h, w).

    ``X, Y`` are picture coordinates, ±1 at the edges, y down. ``x, y`` are those of the upright
    head. ``u, v`` are those of the face's surface: turning the head moves them across the picture.
    """

    pixels: np.ndarray
    X: Field
    Y: Field
    x: Field
    y: Field
    u: Field
    v: Field
    pixel: float
    """The width of one pixel."""

    def within(self, where: Field) -> "Canvas":
        """Return the part that encloses the mask `where`: a view, so painting it paints this."""
        part = (_span(where, axis=1), _span(where, axis=0))
        fields = {name: getattr(self, name)[part] for name in ("X", "Y", "x", "y", "u", "v")}
        return replace(self, pixels=self.pixels[(slice(None), *part)], **fields)

    def around(self, u: float, v: float, width: float, height: float) -> "Canvas":
        """Return the part around a spot of the face's surface."""
        return self.within((np.abs(self.u - u) < width) & (np.abs(self.v - v) < height))

    def edge(self, distance: Field, softness: float = 0.0) -> Field:
        """Return the coverage of a shape given by signed distance: 1 inside, 0 outside."""
        return np.clip(0.5 - distance / (self.pixel + softness), 0, 1)

    def paint(self, colour: Colour, mask: Field) -> None:
        """Lay `colour` over the pixels, as opaque as `mask`."""
        self.pixels[:] += mask * (colour - self.pixels)

    def tint(self, colour: Colour, mask: Field) -> None:
        """Multiply the pixels by `colour`, as strongly as `mask`: shadows, stains, make-up."""
        self.pixels[:] *= 1 - mask * (1 - colour)


def _span(where: Field, axis: int) -> slice:
    """Return the range that holds every hit once `axis` is summed away."""
    hits = np.flatnonzero(where.any(axis=axis))
    return slice(hits[0], hits[-1] + 1) if len(hits) else slice(0, 0)


def blank(face: FaceFactors, size: int) -> Canvas:
    """Return an empty square canvas with the coordinates that the pose of `face` gives."""
    ticks = (np.arange(size, dtype=np.float64) + 0.5) * (2 / size) - 1
    X, Y = (np.ascontiguousarray(field) for field in np.meshgrid(ticks, ticks))
    x, y = _upright(face, X, Y)
    u, v = _surface(face, x, y)
    return Canvas(np.zeros((3, size, size)), X, Y, x, y, u, v, 2 / (size * face.zoom))


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


WHITE: Colour = np.ones((3, 1, 1))


def rgb(red: float, green: float, blue: float) -> Colour:
    """Return a colour."""
    return np.array([red, green, blue]).reshape(3, 1, 1)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Return the colour `share` of the way from `first` to `second`."""
    return first + share * (second - first)


def ramp(stops: Sequence[tuple[float, float, float]], position: float) -> Colour:
    """Return the colour at `position` in [0, 1] along evenly spaced `stops`."""
    place = position * (len(stops) - 1)
    lower = min(int(place), len(stops) - 2)
    return mix(rgb(*stops[lower]), rgb(*stops[lower + 1]), place - lower)
