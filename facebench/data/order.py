"""A random order that stays: of so many things, by a seed."""

import numpy as np
from jaxtyping import Int64


def random_order(count: int, seed: int = 0) -> Int64[np.ndarray, " n"]:
    """Return the numbers below `count` in random order.

    They are sorted by the first bits of NumPy's Philox (Salmon et al. 2011), which NumPy promises
    to keep as they are; of its shuffles it does not.

    >>> random_order(5).tolist()
    [0, 2, 1, 4, 3]
    """
    return np.argsort(np.random.Philox(key=seed).random_raw(count), kind="stable")
