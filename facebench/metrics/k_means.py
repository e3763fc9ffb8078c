"""k-means: points divided by which of a few centres they are nearest to (Lloyd 1982)."""

import numpy as np
from jaxtyping import Float64, Int64

_STARTS = 10
_ROUNDS = 100
"""More than it was seen to take."""


def k_means(points: Float64[np.ndarray, "n p"], cells: int) -> Float64[np.ndarray, "cells p"]:
    """Return the centres to which the points are nearest of those that ten starts lead to.

    The starts are always the same, so the centres are, too.
    """
    starts = (_lloyd(points, _spread(points, cells, seed)) for seed in range(_STARTS))
    return min(starts, key=lambda centres: float(nearest_centres(points, centres)[1].sum()))


def _spread(
    points: Float64[np.ndarray, "n p"], cells: int, seed: int
) -> Float64[np.ndarray, "cells p"]:
    """Draw points that lie apart: each by its squared distance to those before (k-means++)."""
    random = np.random.default_rng(seed)
    centres = points[random.integers(len(points), size=1)]
    while len(centres) < cells:
        squares = nearest_centres(points, centres)[1] + np.finfo(np.float64).tiny
        chosen = random.choice(len(points), p=squares / squares.sum())
        centres = np.concatenate([centres, points[[chosen]]])
    return centres


def _lloyd(
    points: Float64[np.ndarray, "n p"], centres: Float64[np.ndarray, "cells p"]
) -> Float64[np.ndarray, "cells p"]:
    """Move each centre to the mean of its points until none moves; one without points stays."""
    for _ in range(_ROUNDS):
        labels = nearest_centres(points, centres)[0]
        is_own = labels[None] == np.arange(len(centres))[:, None]
        counts = is_own.sum(1)[:, None]
        moved = np.where(counts, is_own @ points / np.maximum(counts, 1), centres)
        if (moved == centres).all():
            break
        centres = moved
    return centres


def nearest_centres(
    points: Float64[np.ndarray, "n p"], centres: Float64[np.ndarray, "cells p"]
) -> tuple[Int64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
    """Return which centre each point is nearest to, and the squared distance."""
    products = points @ centres.T
    squares = np.square(points).sum(1)[:, None] + np.square(centres).sum(1) - 2 * products
    squares = np.maximum(squares, 0)
    labels = squares.argmin(1)
    return labels, squares[np.arange(len(points)), labels]
