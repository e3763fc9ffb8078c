"""How heads are held and how pictures are cut: distances between distributions of plain factors.

Each factor is read from the two eyes and the nose. Its value is the Wasserstein-1 distance between
the generated and the real faces' distribution, the area between both cumulative curves: by how much
a face has to be turned or moved, on average, to make the one distribution of the other. Two sets of
real faces are not at distance 0 either, so whether there is a difference at all is asked of a test.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

from facebench.errors import BadInput
from facebench.metrics.face_sets import LEFT_EYE, NOSE, RIGHT_EYE, FaceSet
from facebench.metrics.faces.same_distribution import LEVEL, same_distribution
from facebench.metrics.uncertainty import Estimate, from_influence

FACTORS = ("roll", "yaw", "eye_distance", "x", "y")
"""What a pose is made of, see `pose_factors`."""


def pose_factors(points: Float[np.ndarray, "n 3 2"]) -> Mapping[str, Float64[np.ndarray, " n"]]:
    """Return each face's pose, by factor; NaN where there is no face.

    Args:
        points: both eyes and the nose, x and y as shares of the image's width and height.

    Returns:
        roll: the angle of the eyes' line in degrees, positive where the eye at the right is lower.
        yaw: how far the nose is off the eyes' middle along their line, over their distance.
        eye_distance: in shares of the image's side.
        x, y: the eyes' middle, in shares of the image's side.
    """
    left, right, nose = (np.asarray(points[:, k], np.float64) for k in (LEFT_EYE, RIGHT_EYE, NOSE))
    across, middle = right - left, (left + right) / 2
    distance = np.hypot(*across.T)
    apart = np.where(distance > 0, distance, np.nan)
    return {
        "roll": np.degrees(np.arctan2(across[:, 1], across[:, 0])),
        "yaw": ((nose - middle) * across).sum(1) / apart**2,
        "eye_distance": distance,
        "x": middle[:, 0],
        "y": middle[:, 1],
    }


def pose_distance(real: FaceSet, fake: FaceSet, factor: str) -> Estimate:
    """Return the Wasserstein-1 distance of the faces' distributions of one of `FACTORS`.

    Its details are mean and spread (standard deviation) of the factor on both sides, the share of
    generated images in which there is no face to ask, and the p-value of "both are alike".

    Raises:
        BadInput: where no face was found on either side.
    """
    x, y = (pose_factors(each.points)[factor] for each in (real, fake))
    of_real, of_fake = x[_known(x, "real")], y[_known(y, "generated")]
    distance = wasserstein(of_real, of_fake)
    influences = _of_all(x, distance.of_x), _of_all(y, distance.of_y)
    p = same_distribution(of_real, of_fake)
    details = {
        "mean": float(of_fake.mean()),
        "mean_real": float(of_real.mean()),
        "spread": float(of_fake.std()),
        "spread_real": float(of_real.std()),
        "not_found": float(np.isnan(y).mean()),
        "p": p,
    }
    estimate = from_influence(distance.value, *influences)
    return replace(estimate, details=details, differs=p <= LEVEL)


class Wasserstein(NamedTuple):
    """The distance of two samples, and each value's influence on it."""

    value: float
    of_x: Float64[np.ndarray, " n"]
    of_y: Float64[np.ndarray, " m"]


def wasserstein(x: Float64[np.ndarray, " n"], y: Float64[np.ndarray, " m"]) -> Wasserstein:
    """Return ∫ |F - G| for the empirical distribution functions F of `x` and G of `y`.

    More weight on a value v raises F from v on, and with it the distance where F is the greater, so
    the influence of v is  ∫ sign(F - G) from v to the end  (less its mean), for G its negative.
    """
    grid = np.unique(np.concatenate([x, y]))
    widths = np.diff(grid)
    # In whole numbers, so that where both are equal the sign is 0 and not that of a rounding.
    apart = len(y) * _below(x, grid) - len(x) * _below(y, grid)
    beyond = np.append(np.cumsum((np.sign(apart) * widths)[::-1])[::-1], 0.0)
    return Wasserstein(
        float(np.abs(apart) @ widths) / len(x) / len(y),
        _centred(beyond[np.searchsorted(grid, x)]),
        _centred(-beyond[np.searchsorted(grid, y)]),
    )


def _below(
    values: Float64[np.ndarray, " n"], grid: Float64[np.ndarray, " g"]
) -> Int64[np.ndarray, " _"]:
    """Return how many values there are up to each point of the grid but the last."""
    return np.searchsorted(np.sort(values), grid[:-1], side="right")


def _centred(values: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    return values - values.mean()


def _known(values: Float64[np.ndarray, " n"], side: str) -> Bool[np.ndarray, " n"]:
    known = ~np.isnan(values)
    if not known.any():
        raise BadInput(f"No face was found in the {side} images, so there is no pose to compare.")
    return known


def _of_all(
    values: Float64[np.ndarray, " n"], influence: Float64[np.ndarray, " _"]
) -> Float64[np.ndarray, " n"]:
    """Return the influence of all images: one without a face has none.

    So a group of consecutive images is of the same seeds for every model.
    """
    known = ~np.isnan(values)
    spread = np.zeros(len(values))
    spread[known] = influence * (len(known) / known.sum())
    return spread
