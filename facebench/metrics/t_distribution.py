"""Student's t for the mean of a few values: standard error, quantile, interval and p-value.

To the bit what scipy.stats says (`sem`, `t.ppf`, `ttest_1samp`), which takes a second to load.
"""

import numpy as np
from jaxtyping import Float64
from scipy.special import stdtr, stdtrit


def standard_error(values: Float64[np.ndarray, "*rows n"]) -> Float64[np.ndarray, "*rows"]:
    """Return the standard error of the mean along the last axis."""
    return np.asarray(np.std(values, axis=-1, ddof=1) / values.shape[-1] ** 0.5)


def quantile(level: float, count: int) -> float:
    """Return how many standard errors the mean of `count` values is above its expectation.

    It is less in the share `level` of cases.
    """
    return float(stdtrit(count - 1, level))


def p_value(t: Float64[np.ndarray, "*_"], count: int) -> Float64[np.ndarray, "*_"]:
    """Return the two-sided p-values of the means of `count` values, `t` standard errors from 0."""
    return np.asarray(2 * stdtr(count - 1, -np.abs(t)))


def upper_tail(t: float, count: int) -> float:
    """Return how often the mean of `count` values is `t` standard errors above 0 or more."""
    return float(stdtr(count - 1, -t))


def t_test(values: Float64[np.ndarray, " n"], level: float) -> tuple[float, float, float]:
    """Return the ends of the mean's interval of `level`, and the p-value of its being 0."""
    n, mean = len(values), values.mean()
    error = np.sqrt(np.square(values - mean).mean() * (n / (n - 1)) / n)
    tail = (1 - level) / 2
    low, high = stdtrit(n - 1, [tail, 1 - tail]) * error + mean
    return float(low), float(high), float(2 * stdtr(n - 1, -abs(mean / error)))
