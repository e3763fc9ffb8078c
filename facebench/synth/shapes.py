"""Shapes as fields: signed distances, which a canvas turns into coverage, and smooth hills."""

import numpy as np

from facebench.synth.canvas import Field


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
