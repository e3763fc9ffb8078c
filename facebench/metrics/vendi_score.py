"""Vendi score: the effective number of different images (Friedman & Dieng 2023, 2210.02410).

It is exp of the entropy of the eigenvalues of K/n, K the similarity of all pairs. Similarity
is the cosine of two images' features, whose K has the eigenvalues of a d×d matrix: so the score is
exact at any n, and no n×n matrix is made where d is smaller.
"""

from collections.abc import Iterator
from functools import reduce

import torch
from jaxtyping import Float64
from torch import Tensor

from facebench.metrics.arrays import Features, Rows, as_rows
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
    rows = as_rows(features, minimum=2)
    count, narrow = len(rows), len(rows) > rows.width
    values, vectors = _positive((_scatter(rows) if narrow else _similarities(rows)) / count)
    logs = values.log()
    score = float((-(values * logs).sum()).exp())
    if narrow:
        return from_influence(score, -score * _along(rows, vectors, logs))
    return from_influence(score, -score * (vectors.square() @ (count * values * logs)))


def _directions(rows: Rows) -> Iterator[Float64[Tensor, "n d"]]:
    return (torch.nn.functional.normalize(chunk) for _, chunk in rows.chunks())


def _scatter(rows: Rows) -> Float64[Tensor, "d d"]:
    return reduce(torch.add, (z.T @ z for z in _directions(rows)))


def _similarities(rows: Rows) -> Float64[Tensor, "n n"]:
    z = torch.cat(list(_directions(rows)))
    return z @ z.T


def _positive(
    matrix: Float64[Tensor, "s s"],
) -> tuple[Float64[Tensor, " r"], Float64[Tensor, "s r"]]:
    """Return the eigenvalues that are more than rounding, and their vectors."""
    values, vectors = torch.linalg.eigh(matrix)
    kept = values > values[-1] * len(values) * torch.finfo(values.dtype).eps
    return values[kept], vectors[:, kept]


def _along(
    rows: Rows, vectors: Float64[Tensor, "d r"], logs: Float64[Tensor, " r"]
) -> Float64[Tensor, " n"]:
    """Return Σ (zᵀv)² log λ of each row z, over the eigenvectors v."""
    return torch.cat([(z @ vectors).square() @ logs for z in _directions(rows)])
