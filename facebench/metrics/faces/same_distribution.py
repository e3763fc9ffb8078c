"""Whether two samples come from one distribution: Neyman's smooth test, by permutation.

The pooled values are ranked, and the mean of the first four Legendre polynomials of the rank is
compared on both sides: location, spread, lopsidedness and weight of the middle against the tails
(Neyman 1937). Where 5 % of the faces are replaced by ones that look straight ahead, it finds four
times in five what a test by the Wasserstein distance finds one time in three (docs/uncertainty.md).
"""

import numpy as np
from jaxtyping import Float64, Int64

LEVEL = 0.05
"""A difference is called one where its p-value is not above this."""
_ORDER = 4
_BINS = 64
_PERMUTATIONS = 999
_ROUNDING = 1e-9


def same_distribution(
    x: Float64[np.ndarray, " n"], y: Float64[np.ndarray, " m"], seed: int = 0
) -> float:
    """Return the p-value of `x` and `y` being drawn from one distribution.

    Ranks are taken in 64 bins of equally many values, so what a permutation of all values does to
    the bins is one draw from a hypergeometric distribution, whatever the number of values: the
    test is exact, and takes milliseconds.
    """
    of_x, of_y = _binned(x, y)
    pooled = of_x + of_y
    if len(pooled) < 2:
        return 1.0
    draws = np.random.default_rng(seed).multivariate_hypergeometric(
        pooled, of_y.sum(), _PERMUTATIONS, method="marginals"
    )
    means = np.vstack([of_y, draws]) @ _polynomials(pooled)
    statistics = np.square(means).sum(1)
    return float((statistics >= statistics[0] * (1 - _ROUNDING)).mean())


def _binned(
    x: Float64[np.ndarray, " n"], y: Float64[np.ndarray, " m"]
) -> tuple[Int64[np.ndarray, " bins"], Int64[np.ndarray, " bins"]]:
    """Return how many values of each sample are in each bin; equal values share one."""
    pooled = np.concatenate([x, y])
    edges = np.unique(np.quantile(pooled, np.arange(1, _BINS) / _BINS))
    counts = [np.bincount(np.searchsorted(edges, z), minlength=len(edges) + 1) for z in (x, y)]
    filled = (counts[0] + counts[1]) > 0
    return counts[0][filled], counts[1][filled]


def _polynomials(counts: Int64[np.ndarray, " bins"]) -> Float64[np.ndarray, "bins _"]:
    """Return polynomials of the rank that are of mean 0 and orthogonal over the pooled values."""
    shares = counts / counts.sum()
    ranks = np.cumsum(shares) - shares / 2
    order = min(_ORDER, len(counts) - 1)
    powers = np.polynomial.legendre.legvander(2 * ranks - 1, order)
    roots = np.sqrt(shares)[:, None]
    return (np.linalg.qr(powers * roots).Q / roots)[:, 1:]
