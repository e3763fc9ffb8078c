"""C_T: whether generated images lie nearer to the training images than held-out ones do.

Meehan, Chaudhuri & Dasgupta 2020 (2004.05675). The training images are divided into cells, and in
each the distances of generated and of held-out images to the nearest training image of that cell
are compared by their ranks (Mann & Whitney 1947):

    z = (U - nm/2) / √(nm (n + m + 1)/12),   U the pairs in which the generated image is farther
    C_T = Σ P(cell) z / Σ P(cell),           P(cell) the share of the held-out images in it

so that images drawn as the held-out ones are have z of mean 0 and deviation 1, and copies lie far
below. As in dgm-eval there are 3 cells, by k-means of the training images, all features are taken
along their 64 first principal components, and cells that hold too few images are skipped. Unlike
there, k-means starts ten times from seeds that are always the same, and a cell must hold 10 images
of either side.

z grows with the number of images: at twice as many the same generator scores √2 times as much.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64
from torch import Tensor

from facebench.errors import BadInput
from facebench.metrics.arrays import Features, Rows, as_rows
from facebench.metrics.distances import MEMORY, as_points
from facebench.metrics.k_means import k_means, nearest_centres
from facebench.metrics.moments import Moments
from facebench.metrics.uncertainty import Estimate, from_influence

CELLS = 3
DIMENSIONS = 64
FEWEST = 10
"""Images of either side, below which a cell is skipped: ranks of fewer are not normal."""


@dataclass(frozen=True, eq=False)
class Cells:
    """The training images in their cells: found once for all models."""

    mean: Float64[Tensor, " d"]
    axes: Float64[Tensor, "d p"]
    """The principal components, or all features where these are no more."""
    centres: Float64[np.ndarray, "cells p"]
    parts: tuple[Float32[np.ndarray, "_ p"], ...]
    """The training images of each cell."""

    def projected(self, rows: Rows) -> Float64[np.ndarray, "n p"]:
        """Return features along the axes, in ordinary memory."""
        mean, axes = self.mean.to(rows.device), self.axes.to(rows.device)
        return torch.cat([(chunk - mean) @ axes for _, chunk in rows.chunks()]).cpu().numpy()


class _Ranks(NamedTuple):
    """What one cell tells."""

    real: Bool[np.ndarray, " n"]
    """Which held-out images are in it."""
    fake: Bool[np.ndarray, " m"]
    below: Float64[np.ndarray, " r"]
    """Of each held-out one in it the share of generated ones that are farther; U/nm on average."""
    above: Float64[np.ndarray, " f"]
    """Of each generated image in it the share of held-out ones that are nearer."""

    @property
    def scale(self) -> float:
        """Return z by unit of U/nm."""
        n, m = len(self.below), len(self.above)
        return float(np.sqrt(12 * n * m / (n + m + 1))) if n and m else 0.0

    @property
    def z(self) -> float:
        return float(self.below.mean() - 0.5) * self.scale

    @property
    def is_sparse(self) -> bool:
        return min(len(self.below), len(self.above)) < FEWEST


def data_copying_test(
    training: Features, held_out: Features, generated: Features, memory: int = MEMORY
) -> float:
    """Return C_T: about 0 for images as far from the training images as held-out ones are.

    Args:
        training: features of shape (t, d) of all the images that the model has seen.
        held_out: features of shape (n, d) of real images that it has not.
        generated: features of shape (m, d).
        memory: bytes that the distances may take at a time.

    Raises:
        BadInput: where no cell holds 10 images of either side, for unequal widths, or for values
            that are not finite.
    """
    return data_copying_estimate(cells_of(training), held_out, generated, memory).value


def data_copying_estimate(
    cells: Cells, held_out: Features, generated: Features, memory: int = MEMORY
) -> Estimate:
    """Return C_T with its uncertainty, given these training images, and what each cell tells.

    Arguments and errors are otherwise those of `data_copying_test`.
    """
    real, fake = (
        cells.projected(_rows(features, cells, name))
        for features, name in ((held_out, "held-out"), (generated, "generated"))
    )
    found = _compared(cells, real, fake, memory)
    kept = [each for each in found if not each.is_sparse]
    if not kept:
        raise BadInput(
            f"No cell of the training images holds {FEWEST} held-out and {FEWEST} generated "
            "images: C_T needs more of them."
        )
    weights = np.array([len(each.below) for each in kept], np.float64)
    value = float(weights @ [each.z for each in kept] / weights.sum())
    estimate = from_influence(value, *_influence(kept, value, len(real), len(fake)))
    return _explained(estimate, found, len(real))


def cells_of(training: Features) -> Cells:
    """Return the cells of training images' features (t, d), from seeds that are always the same.

    Raises:
        BadInput: for fewer than 3 images, or values that are not finite.
    """
    rows = as_rows(training, "training features", minimum=CELLS)
    moments = Moments.of_rows(rows)
    axes = torch.linalg.eigh(moments.covariance).eigenvectors[:, -DIMENSIONS:]
    if rows.width <= DIMENSIONS:
        axes = torch.eye(rows.width, dtype=axes.dtype, device=axes.device)
    whole = Cells(moments.mean, axes, np.empty((0, axes.shape[1])), ())
    points = whole.projected(rows)
    centres = k_means(points, CELLS)
    labels = nearest_centres(points, centres)[0]
    parts = tuple(points[labels == cell].astype(np.float32) for cell in range(CELLS))
    return Cells(moments.mean, axes, centres, parts)


def _rows(features: Features, cells: Cells, name: str) -> Rows:
    rows = as_rows(features, f"{name} features")
    if rows.width != len(cells.mean):
        raise BadInput(
            f"The training features have {len(cells.mean)} columns and the {name} ones "
            f"{rows.width}: compute both with one extractor."
        )
    return rows


def _compared(
    cells: Cells, real: Float64[np.ndarray, "n p"], fake: Float64[np.ndarray, "m p"], memory: int
) -> list[_Ranks]:
    """Return by cell how the distances to its training images rank."""
    of_real, of_fake = (nearest_centres(points, cells.centres)[0] for points in (real, fake))
    found = []
    for cell, part in enumerate(cells.parts):
        is_real, is_fake = of_real == cell, of_fake == cell
        ranks = _ranks(part, real[is_real], fake[is_fake], memory)
        found.append(_Ranks(is_real, is_fake, *ranks))
    return found


def _ranks(
    part: Float32[np.ndarray, "t p"],
    real: Float64[np.ndarray, "n p"],
    fake: Float64[np.ndarray, "m p"],
    memory: int,
) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " m"]]:
    """Return of either side the share of the other by which the U of all pairs grows."""
    both = np.concatenate([real, fake])
    if not len(both) or not len(part):
        return np.empty(0), np.empty(0)
    points, queries = as_points(part, both, memory)
    squares = queries.nearest(points, 1).squares[:, 0].cpu().numpy()
    p, q = squares[: len(real)], squares[len(real) :]
    return 1 - _rank(p, q), _rank(q, p)


def _rank(
    values: Float32[np.ndarray, " n"], others: Float32[np.ndarray, " m"]
) -> Float64[np.ndarray, " n"]:
    """Return the share of `others` below each value, of equal ones a half."""
    ordered = np.sort(others)
    ends = [ordered.searchsorted(values, side) for side in ("left", "right")]
    return np.add(*ends) / max(2 * len(others), 1)


def _influence(
    kept: list[_Ranks], value: float, n: int, m: int
) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " m"]]:
    """Return the influence of each held-out and each generated image.

    By the weight of an image in a cell change its rank's part in z, the scale of z, and, if it is
    held-out, the weight of the cell. Images in skipped cells change nothing.
    """
    total = sum(len(each.below) for each in kept)
    of_real, of_fake = np.zeros(n), np.zeros(m)
    for cell in kept:
        a, b = len(cell.below), len(cell.above)
        by_a, by_b = (cell.z / 2 * (1 / count - 1 / (a + b + 1)) for count in (a, b))
        rank_a, rank_b = (cell.scale * (h - h.mean()) for h in (cell.below, cell.above))
        of_real[cell.real] = n / total * (cell.z - value + a * by_a + rank_a)
        of_fake[cell.fake] = m / total * (a * by_b + a / b * rank_b)
    return of_real, of_fake


def _explained(estimate: Estimate, found: list[_Ranks], n: int) -> Estimate:
    """Say what each cell tells: its weight, how many images of either side, and z."""
    details: dict[str, float | str] = {}
    for number, cell in enumerate(found, 1):
        a, b = len(cell.below), len(cell.above)
        told = "skipped: too few" if cell.is_sparse else f"z = {cell.z:.2f}"
        details[f"cell {number}"] = f"{a / n:.0%} of the held-out images, {a} and {b}; {told}"
    skipped = sum(cell.is_sparse for cell in found)
    note = f"{skipped} of {len(found)} cells hold too few images and are skipped" if skipped else ""
    return replace(estimate, details=details, note=note).beside(0.0)
