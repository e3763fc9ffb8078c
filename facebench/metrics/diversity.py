"""LPIPS diversity: the mean LPIPS distance over all pairs of images, exactly.

Because LPIPS is a squared distance between embeddings e (see facebench.features.lpips), its mean
over the N(N−1)/2 pairs is twice the embeddings' total unbiased variance,
2/(N−1)·(Σ‖e‖² − ‖Σe‖²/N): one pass, no pair sampling. Checked against explicit pairs of `lpips`.
"""

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from facebench.metrics.uncertainty import Estimate, from_sums
from facebench.numerics.pair_moments import Rows, mean_distance, sum_of_embeddings

if TYPE_CHECKING:
    from facebench.features.lpips import LPIPSFeatures


def diversity_estimate(rows: Rows) -> Estimate:
    """Return the mean distance over all pairs, and its uncertainty from stored rows of moments.

    An image's influence is twice its mean distance to all others, 2(‖e‖² − 2eᵀμ) but for a
    constant, so its sum over a row needs no more than the row's moments.
    """
    mean = sum_of_embeddings(rows) / rows["count"].sum()
    along = np.array([total.astype(np.float64) @ mean for total in rows["total"]])
    return from_sums(mean_distance(rows), (2 * (rows["square"] - 2 * along), rows["count"]))


def lpips_diversity(
    images: UInt8[np.ndarray, "n 3 h w"], lpips: "LPIPSFeatures", batch_size: int = 64
) -> float:
    """Return the mean LPIPS over all pairs of `images` at their own size.

    Args:
        images: ``uint8`` RGB.
        lpips: the network.
        batch_size: images per forward pass, 32 at most; the value does not depend on it.
    """
    return mean_distance(lpips.extract(images, batch_size))
