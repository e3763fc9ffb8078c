"""Images as points of a plane, for the board's plot."""

import numpy as np
import torch

from facebench.results.visuals import Plane

POINTS = 300
"""Images of each set that are points of the plane."""
_DIGITS = 4  # of a coordinate or a distance


def plane_of(real: np.ndarray, fake: np.ndarray) -> Plane:
    """Return the first images of both sets in the plane of the real ones' largest variance."""
    x = torch.from_numpy(np.array(real, np.float64))
    if x.shape[1] < 2:  # a line is a plane of which one side is 0
        x = torch.nn.functional.pad(x, (0, 1))
        fake = np.pad(fake, ((0, 0), (0, 1)))
    centre = x.mean(0)
    x -= centre
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        _, scales, axes = torch.svd_lowrank(x, q=min(6, *x.shape))
    axes = axes[:, :2] * torch.sign(axes[axes[:, :2].abs().argmax(0), range(2)])  # either will do
    shares = (scales[:2].square() / x.square().sum().clamp(min=1e-300)).tolist()
    y = torch.from_numpy(np.array(fake[:POINTS], np.float64)) - centre
    return Plane((shares[0], shares[1]), _points(x[:POINTS] @ axes), _points(y @ axes))


def _points(values: torch.Tensor) -> tuple[tuple[float, float], ...]:
    return tuple((rounded(x), rounded(y)) for x, y in values.tolist())


def rounded(value: float | np.floating) -> float:
    """Return `value` with as many digits as a picture needs."""
    return float(f"{value:.{_DIGITS}g}")
