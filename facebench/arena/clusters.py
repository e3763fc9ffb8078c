"""What votes on one picture, and votes of one judge, have in common beyond chance.

Votes are not independent: one picture of a model may be better than the others, and one judge may
like what others do not. As in variances robust to clusters that cross (Cameron, Gelbach and Miller
2011; for pairs Aronow, Samii and Assenova 2015), products of the scores of *different* votes are
summed over all that share a picture or a judge, each pair of votes once. Their expectation is 0
where votes are independent.
"""

import numpy as np
from jaxtyping import Float64, Int


def excess(
    scores: Float64[np.ndarray, "votes p"],
    pictures: Int[np.ndarray, "votes sides"],
    judge: Int[np.ndarray, " votes"],
) -> Float64[np.ndarray, "p p"]:
    """Return by how much the variance of the sum of scores exceeds that of independent votes.

    All scores together add up to 0, or nearly so, and those of G judges scatter less than if they
    were free to: what is summed over judges is enlarged by G/(G − 1), and left out for a single
    one, so that all is said of this judge. Noise may make the excess negative.
    """
    everyone = np.zeros_like(judge)
    total = _of_pictures(scores, pictures, everyone)
    judges = len(np.unique(judge))
    if judges > 1:
        squares, own = scores.T @ scores, _products(scores, judge[:, None])
        total = total + (own + squares) * judges / (judges - 1) - squares
        total = total - _of_pictures(scores, pictures, judge)
    return total


def _of_pictures(
    scores: Float64[np.ndarray, "votes p"],
    pictures: Int[np.ndarray, "votes sides"],
    within: Int[np.ndarray, " votes"],
) -> Float64[np.ndarray, "p p"]:
    """Return the products of votes that share a picture, and `within`: once if they share two."""
    groups = within[:, None] * (int(pictures.max()) + 1)
    total = _products(scores, pictures + groups)
    if pictures.shape[1] == 1:
        return total
    both = np.unique(np.sort(pictures + groups, axis=1), axis=0, return_inverse=True)[1]
    return np.asarray(total - _products(scores, both.reshape(-1, 1)))


def _products(
    scores: Float64[np.ndarray, "votes p"], clusters: Int[np.ndarray, "votes sides"]
) -> Float64[np.ndarray, "p p"]:
    """Return the sum of products of scores of different votes that are in one cluster."""
    _, index = np.unique(clusters, return_inverse=True)
    index = index.reshape(clusters.shape)
    sums = np.zeros((int(index.max()) + 1, scores.shape[1]))
    for side in index.T:
        np.add.at(sums, side, scores)
    return np.asarray(sums.T @ sums - clusters.shape[1] * (scores.T @ scores))
