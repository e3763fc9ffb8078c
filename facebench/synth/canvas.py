"""Soft-edged shapes on a canvas: signed distances in, coverage out, colour over colour.

All of it is float64: in float32 the last bit of `exp` and `sin` differs between processors often
enough to show in a picture (12 of 2.5 million values), and a data set's digest must not.
"""

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

Field: TypeAlias = np.ndarray
"""One float64 value per pixel, shape (h, w)."""
Colour: TypeAlias = np.ndarray
"""Red, green and blue in [0, 1], of shape (3,)."""


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

    def copy(self) -> "Canvas":
        """Return a canvas with the same coordinates and pixels of its own."""
        return replace(self, pixels=self.pixels.copy())

    def edge(self, distance: Field, softness: float = 0.0) -> Field:
        """Return the coverage of a shape given by signed distance: 1 inside, 0 outside."""
        width = self.pixel + softness
        return np.clip(0.5 - distance / width, 0, 1)

    def paint(self, colour: Colour, mask: Field) -> None:
        """Lay `colour` over the pixels, as opaque as `mask`."""
        self.pixels[:] += mask * (_spread(colour) - self.pixels)

    def tint(self, colour: Colour, mask: Field) -> None:
        """Multiply the pixels by `colour`, as strongly as `mask`: shadows, stains, make-up."""
        self.pixels[:] *= 1 - mask * (1 - _spread(colour))


WHITE: Colour = np.ones(3)


def rgb(red: float, green: float, blue: float) -> Colour:
    """Return a colour."""
    return np.array([red, green, blue])


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Return the colour `share` of the way from `first` to `second`."""
    return first + share * (second - first)


def ramp(stops: np.ndarray, position: float) -> Colour:
    """Return the colour at `position` in [0, 1] along evenly spaced `stops`, shape (n, 3)."""
    place = position * (len(stops) - 1)
    lower = min(int(place), len(stops) - 2)
    return mix(stops[lower], stops[lower + 1], place - lower)


def ellipse(x: Field, y: Field, rx: float | Field, ry: float) -> Field:
    """Return the (nearly) signed distance to an ellipse."""
    x, y = x / rx, y / ry
    near = np.sqrt(x * x + y * y) + 1e-6
    x, y = x / rx, y / ry
    return near * (near - 1) / (np.sqrt(x * x + y * y) + 1e-6)


def box(x: Field, y: Field, rx: float, ry: float, corner: float) -> Field:
    """Return the signed distance to a rectangle with rounded corners."""
    dx, dy = np.abs(x) - (rx - corner), np.abs(y) - (ry - corner)
    outside = np.hypot(np.maximum(dx, 0), np.maximum(dy, 0))
    return outside + np.minimum(np.maximum(dx, dy), 0) - corner


def bump(x: Field, y: Field, rx: float, ry: float) -> Field:
    """Return a smooth hill of height 1."""
    return np.exp(-((x / rx) ** 2) - (y / ry) ** 2)


def ridge(x: Field, width: float) -> Field:
    """Return a smooth ridge of height 1 along ``x = 0``."""
    return np.exp(-((x / width) ** 2))


def join(first: Field, second: Field, softness: float) -> Field:
    """Return the distance to the union of two shapes, its inner corners filled."""
    blend = np.clip(0.5 + 0.5 * (second - first) / softness, 0, 1)
    return second + blend * (first - second) - softness * blend * (1 - blend)


def meet(first: Field, second: Field, softness: float) -> Field:
    """Return the distance to the intersection of two shapes, its corners rounded."""
    return -join(-first, -second, softness)


def step(low: float, high: float, x: Field) -> Field:
    """Return a smooth step from 0 at `low` to 1 at `high`."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _spread(colour: np.ndarray) -> np.ndarray:
    return colour if colour.ndim == 3 else colour[:, None, None]


def _span(where: Field, axis: int) -> slice:
    """Return the range that holds every hit once `axis` is summed away."""
    hits = np.flatnonzero(where.any(axis=axis))
    return slice(hits[0], hits[-1] + 1) if len(hits) else slice(0, 0)
