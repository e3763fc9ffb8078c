"""Principal components of images that need not fit into memory, read block by block.

Both ways end in eigenvectors V and variances Λ with Vᵀ C V = Λ for the training images' covariance
C (over n), so that samples have exactly that covariance within the kept components.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Float32

from facebench.training.learner import ImageRows
from facebench_pca.model import Eigenfaces

BLOCK = 1024
OVERSAMPLING = 1 / 8
"""Share of directions beyond the wanted ones, which make these converge (Halko et al. 2011)."""

Basis = Float32[np.ndarray, "p l"]


class Pixels:
    """Training images as centred rows, their mean and their total variance."""

    def __init__(self, images: ImageRows):
        self.images, self.count = images, len(images)
        total = np.zeros(images[0].size)
        squares = 0.0
        for block in self._blocks():
            total += block.sum(0, dtype=np.float64)
            squares += float(np.einsum("ij,ij->", block, block, dtype=np.float64))
        exact = total / self.count
        self.mean = exact.astype(np.float32)
        self.variance = squares / self.count - float(exact @ exact)

    def __iter__(self) -> Iterator[Float32[np.ndarray, "n p"]]:
        """Yield blocks of centred rows."""
        return (block - self.mean for block in self._blocks())

    def _blocks(self) -> Iterator[Float32[np.ndarray, "n p"]]:
        for start in range(0, self.count, BLOCK):
            block = self.images[start : start + BLOCK]
            yield block.reshape(len(block), -1).astype(np.float32)


def solve_exactly(pixels: Pixels, components: int) -> Eigenfaces:
    """Return the leading eigenvectors of the whole covariance, p x p."""
    size = len(pixels.mean)
    covariance = np.zeros((size, size))
    for block in pixels:
        covariance += block.T.astype(np.float64) @ block / pixels.count
    from scipy.linalg import eigh  # here, for `--help` shall load no framework

    wanted = (size - components, size - 1)
    variances, vectors = eigh(covariance, subset_by_index=wanted, overwrite_a=True)
    return _eigenfaces(pixels, vectors[:, ::-1], variances[::-1], components)


def random_basis(pixels: Pixels, components: int, rng: np.random.Generator) -> Basis:
    """Return orthonormal random directions to begin with, more than the wanted components."""
    most = min(pixels.count, len(pixels.mean))
    wide = min(components + max(round(components * OVERSAMPLING), 16), most)
    return np.linalg.qr(rng.standard_normal((len(pixels.mean), wide), dtype=np.float32)).Q


def iterate(pixels: Pixels, basis: Basis, components: int) -> tuple[Eigenfaces, Basis]:
    """Return the best components within `basis`, and the next basis: one pass over the images.

    Subspace iteration with Rayleigh-Ritz (Halko et al. 2011, arXiv:0909.4061): the covariance
    within the basis is exact, and its image under the covariance lies nearer to the leading
    eigenvectors.
    """
    within = np.zeros((basis.shape[1], basis.shape[1]))
    image = np.zeros(basis.shape, np.float32)
    for block in pixels:
        projected = block @ basis
        within += projected.T.astype(np.float64) @ projected / pixels.count
        image += block.T @ (projected / np.float32(pixels.count))
    variances, rotation = np.linalg.eigh(within)
    vectors = basis @ rotation[:, ::-1].astype(np.float32)
    return _eigenfaces(pixels, vectors, variances[::-1], components), np.linalg.qr(image).Q


def _eigenfaces(
    pixels: Pixels, vectors: Float[np.ndarray, "p l"], variances: np.ndarray, components: int
) -> Eigenfaces:
    """Return the leading `components`, each with a positive largest entry: signs are arbitrary."""
    kept = np.ascontiguousarray(vectors[:, :components].T, np.float32)
    largest = np.abs(kept).argmax(1)
    kept[kept[np.arange(len(kept)), largest] < 0] *= -1
    spread = np.maximum(variances[:components], 0).astype(np.float32)
    return Eigenfaces(pixels.mean, kept, spread)
