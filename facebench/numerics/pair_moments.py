"""The mean squared distance over all pairs of a set, from moments that add up."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64
from torch import Tensor

from facebench.errors import BadInput


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
