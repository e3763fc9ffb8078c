"""LPIPS diversity: the mean LPIPS distance over all pairs of images, exactly.

Because LPIPS is a squared distance between embeddings e (see facebench.features.lpips), its mean
over the N(N−1)/2 pairs is twice the embeddings' total unbiased variance,
2/(N−1)·(Σ‖e‖² − ‖Σe‖²/N): one pass, no pair sampling. Checked against explicit pairs of `lpips`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float64, UInt8
from torch import Tensor

from facebench.errors import BadInput
from facebench.metrics.uncertainty import Estimate, from_sums


@runtime_checkable
class PairNetwork(Protocol):
    """A network that gives the moments of image sets, e.g. facebench.features.lpips'."""

    def extract(
        self, images: UInt8[np.ndarray, "n 3 h w"], batch_size: int
    ) -> dict[str, np.ndarray]:
        """Return the arrays of :class:`PairMoments`."""
        ...


@dataclass(frozen=True)
class PairMoments:
    """What the mean squared distance over all pairs needs; moments of disjoint sets add up."""

    count: int
    total: Float64[np.ndarray, " d"]
    """Σe"""
    square: float
    """Σ‖e‖²"""

    @classmethod
    def of(cls, embeddings: Float[Tensor, "n d"]) -> "PairMoments":
        """Return the moments of one batch, summed in float64."""
        e = embeddings.double()
        return cls(len(e), e.sum(0).cpu().numpy(), float(e.square().sum()))

    @classmethod
    def merge(cls, parts: Sequence["PairMoments"]) -> "PairMoments":
        """Return the moments of the union of disjoint sets."""
        total = np.sum([part.total for part in parts], 0)
        return cls(sum(p.count for p in parts), total, sum(p.square for p in parts))

    def mean(self) -> float:
        """Return the mean squared distance over all pairs."""
        if self.count < 2:
            raise BadInput(f"LPIPS diversity needs at least 2 images, not {self.count}.")
        spread = self.square - float(self.total @ self.total) / self.count
        return 2 / (self.count - 1) * max(spread, 0.0)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the moments as arrays with one row, for storing."""
        return {
            "count": np.array([self.count]),
            "total": self.total[None],
            "square": np.array([self.square]),
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "PairMoments":
        """Return the merged moments of the rows of stored arrays."""
        return cls(
            int(arrays["count"].sum()), arrays["total"].sum(0), float(arrays["square"].sum())
        )


def diversity_estimate(rows: dict[str, np.ndarray]) -> Estimate:
    """Return the mean distance over all pairs, and its uncertainty from stored rows of moments.

    An image's influence is twice its mean distance to all others, 2(‖e‖² − 2eᵀμ) but for a
    constant, so its sum over a row needs no more than the row's moments.
    """
    whole = PairMoments.from_arrays(rows)
    mean = whole.total / whole.count
    return from_sums(whole.mean(), (2 * (rows["square"] - 2 * rows["total"] @ mean), rows["count"]))


def lpips_diversity(
    images: UInt8[np.ndarray, "n 3 h w"], lpips: PairNetwork, batch_size: int = 64
) -> float:
    """Return the mean LPIPS over all pairs of `images` at their own size.

    Args:
        images: ``uint8`` RGB.
        lpips: the network, :class:`facebench.features.lpips.LPIPSFeatures`.
        batch_size: images per forward pass; the value does not depend on it.
    """
    return PairMoments.from_arrays(lpips.extract(images, batch_size)).mean()
