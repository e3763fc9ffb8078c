"""Count, mean and scatter of features, and somebody's statistics of which only those are known."""

from dataclasses import dataclass
from functools import reduce

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from facebench.errors import BadInput
from facebench.metrics.arrays import Features, Rows, as_rows


@dataclass(frozen=True, eq=False)
class Moments:
    """Count, mean and scatter Σ(x - μ)(x - μ)ᵀ of features in float64: all a Gaussian needs.

    Moments of parts `merge` into the moments of the whole, in any order, equal up to rounding.
    """

    count: int | None
    """None where only the covariance is known, which the scatter is then itself."""
    mean: Float64[Tensor, " d"]
    scatter: Float64[Tensor, "d d"]

    @classmethod
    def of_covariance(
        cls,
        mean: Float64[np.ndarray, " d"],
        covariance: Float64[np.ndarray, "d d"],
        count: int | None = None,
    ) -> "Moments":
        """Return the moments that somebody's statistics stand for, of `count` images if known."""
        scatter = torch.from_numpy(covariance) * (1 if count is None else count - 1)
        return cls(count, torch.from_numpy(mean), scatter)

    @classmethod
    def of(cls, features: Features) -> "Moments":
        """Return the moments of features (n, d), n ≥ 1.

        Each chunk is centred before it is squared, so a mean far from zero costs no digits.
        """
        return cls.of_rows(as_rows(features))

    @classmethod
    def of_rows(cls, rows: Rows) -> "Moments":
        """Return the moments of features that were checked."""
        return reduce(cls.merge, (_chunk_moments(chunk) for _, chunk in rows.chunks()))

    def merge(self, other: "Moments") -> "Moments":
        """Return the moments of both sets together (Chan, Golub & LeVeque 1979)."""
        require_equal_widths(self, other)
        if self.count is None or other.count is None:
            raise BadInput("Moments merge only where it is known of how many samples they are.")
        count = self.count + other.count
        delta = other.mean - self.mean
        mean = self.mean + delta * (other.count / count)
        between = torch.outer(delta, delta) * (self.count * other.count / count)
        return Moments(count, mean, self.scatter + other.scatter + between)

    __add__ = merge

    @property
    def covariance(self) -> Float64[Tensor, "d d"]:
        """The unbiased covariance, over count - 1, or the one that was given."""
        if self.count is None:
            return self.scatter
        if self.count < 2:
            raise BadInput("A covariance needs at least 2 samples, not 1: add some.")
        return self.scatter / (self.count - 1)


def _chunk_moments(chunk: Float64[Tensor, "n d"]) -> Moments:
    mean = chunk.mean(0)
    centred = chunk - mean
    return Moments(len(chunk), mean, centred.T @ centred)


def require_equal_widths(a: Moments, b: Moments) -> None:
    """Refuse moments of different extractors."""
    if len(a.mean) != len(b.mean):
        raise BadInput(
            f"Moments of {len(a.mean)} and of {len(b.mean)} features do not go together: "
            "compute both with one extractor."
        )
