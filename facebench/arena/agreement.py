"""Whether a metric puts models in the order in which people do: rank correlations."""

import math

import numpy as np
from jaxtyping import Float64

from facebench.arena.davidson import NORMAL
from facebench.results.judgement import Estimate

LEAST = 3
"""Models: of two an order says next to nothing."""


def kendall(x: Float64[np.ndarray, " n"], y: Float64[np.ndarray, " n"]) -> float | None:
    """Return Kendall's tau-b, which allows for ties; None where all of one side are equal."""
    upper = np.triu_indices(len(x), 1)
    a, b = (np.sign(v[:, None] - v[None])[upper] for v in (x, y))
    scale = math.sqrt((a @ a) * (b @ b))
    return float(a @ b / scale) if scale else None


def spearman(x: Float64[np.ndarray, " n"], y: Float64[np.ndarray, " n"]) -> float | None:
    """Return Spearman's rho, ties at their mean ranks; None where all of one side are equal."""
    a, b = (v - v.mean() for v in map(_ranks, (x, y)))
    scale = math.sqrt((a @ a) * (b @ b))
    return float(a @ b / scale) if scale else None


def _ranks(values: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    below = (values[:, None] > values[None]).sum(1)
    equal = (values[:, None] == values[None]).sum(1)
    return np.asarray(below + (equal + 1) / 2)


def kendall_estimate(tau: float, models: int) -> Estimate:
    """Return tau with its 95 % interval, as if the models were drawn at random from many.

    By Fisher's z, whose variance is 0.437/(n − 4) (Fieller, Hartley and Pearson 1957). Of fewer
    than five models there is none.
    """
    return _with_interval(tau, models, 0.437 / (models - 4) if models > 4 else None)


def spearman_estimate(rho: float, models: int) -> Estimate:
    """Return rho likewise, with the variance (1 + ρ²/2)/(n − 3) (Bonett and Wright 2000)."""
    return _with_interval(rho, models, (1 + rho**2 / 2) / (models - 3) if models > 4 else None)


def _with_interval(value: float, models: int, variance: float | None) -> Estimate:
    """Return the interval about a correlation; one of ±1 is taken for half a pair less.

    Else the interval of a perfect order would have no width.
    """
    if variance is None:
        return Estimate(value)
    most = 1 - 2 / (models * (models - 1))
    middle = math.atanh(min(max(value, -most), most))
    low, high = (math.tanh(middle + sign * NORMAL * math.sqrt(variance)) for sign in (-1, 1))
    return Estimate(value, min(low, value), max(high, value))
