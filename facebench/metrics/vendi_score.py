"""Vendi score: the effective number of different images (Friedman & Dieng 2023, 2210.02410).

It is exp of the entropy of the eigenvalues of K/n, K the similarity of all pairs. Similarity
is the cosine of two images' features, whose K has the eigenvalues of a d×d matrix: so the score is
exact at any n, and no n×n matrix is made where d is smaller.
"""

import torch
from jaxtyping import Float64
from torch import Tensor

from facebench.metrics.arrays import Features, as_features
from facebench.metrics.uncertainty import Estimate, from_influence


def vendi(features: Features) -> float:
    """Return the Vendi score of features (n, d): between 1 (all alike) and min(n, d).

    Raises:
        BadInput: for fewer than 2 samples, or values that are not finite.
    """
    return vendi_estimate(features).value


def vendi_estimate(features: Features) -> Estimate:
    """Return the Vendi score and its uncertainty.

    A sample's influence is the score times -zᵀ(log ZᵀZ/n)z, but for a constant: how rare its
    directions are.
    """
    z = torch.nn.functional.normalize(as_features(features, minimum=2))
    eigenvalues, shares = _spectrum(z)
    logs = eigenvalues.log()
    score = float((-(eigenvalues * logs).sum()).exp())
    return from_influence(score, -score * (shares @ logs))


def _spectrum(
    z: Float64[Tensor, "n d"],
) -> tuple[Float64[Tensor, " r"], Float64[Tensor, "n r"]]:
    """Return the positive eigenvalues of ZᵀZ/n, and (zᵀv)² of each row and eigenvector."""
    count, width = z.shape
    narrow = count > width
    values, vectors = torch.linalg.eigh((z.T @ z if narrow else z @ z.T) / count)
    kept = values > values[-1] * len(values) * torch.finfo(values.dtype).eps
    values, vectors = values[kept], vectors[:, kept]
    shares = (z @ vectors).square() if narrow else count * values * vectors.square()
    return values, shares
