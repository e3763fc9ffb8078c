"""Many pairs of models tested at once: Holm's correction of their p-values (Holm 1979).

Where no model differs from any other, some pair of ten is called different on more than half of
all boards if each is tested at 5 %, and on 5 % at most with the correction, however the tests
depend on one another: pairs have models in common, and all models the real images.
"""

from typing import Literal

import numpy as np
from jaxtyping import Float64

Correction = Literal["none", "holm"]


def holm(p: Float64[np.ndarray, " tests"]) -> Float64[np.ndarray, " tests"]:
    """Return p-values for which any number of true hypotheses rejects one in 5 % below 0.05.

    The smallest is multiplied by the number of tests, the next by one less, and so on; none is
    smaller than one that was smaller before, and none exceeds 1.

    >>> holm(np.array([0.04, 0.01, 0.03]))
    array([0.06, 0.03, 0.06])
    """
    order = np.argsort(p, kind="stable")
    scaled = p[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return adjusted
