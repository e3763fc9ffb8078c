"""A quick score of samples, to tell checkpoints apart: the sliced Wasserstein distance.

Patches of a Laplacian pyramid are compared along random directions (Karras et al. 2018,
arXiv:1710.10196, section 5). It needs no network, takes about a second, and is for choosing among
checkpoints of one run only. Unlike the paper's: patches are not normalised by their own set's
moments but divided by the real ones' deviation, so that wrong colours and contrast count; the
pyramid halves by means of four pixels; 256 images stand for 16,384.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Float32

from facebench.sampler import Images

IMAGES = 256
PATCH, PATCHES, DIRECTIONS, COARSEST = 7, 32, 128, 16


def sliced_wasserstein(real: Images, fake: Images, seed: int = 0) -> float:
    """Return the mean distance over the pyramid's levels, in real standard deviations.

    Both sets must have the same number of images of the same size.

    >>> faces = np.random.default_rng(0).integers(0, 256, (9, 3, 16, 16), np.uint8)
    >>> sliced_wasserstein(faces, faces)
    0.0
    """
    levels = zip(_pyramid(real), _pyramid(fake), strict=True)
    return float(np.mean([_distance(*level, np.random.default_rng(seed)) for level in levels]))


def _pyramid(images: Images) -> Iterator[Float32[np.ndarray, "n 3 h w"]]:
    """Yield what each halving loses, finest first, then the coarsest image itself."""
    x = images.astype(np.float32)
    while x.shape[-1] >= 2 * COARSEST and x.shape[-1] % 2 == 0:
        n, c, h, w = x.shape
        half = x.reshape(n, c, h // 2, 2, w // 2, 2).mean((3, 5))
        yield x - half.repeat(2, 2).repeat(2, 3)
        x = half
    yield x


def _distance(
    real: Float32[np.ndarray, "n 3 h w"],
    fake: Float32[np.ndarray, "n 3 h w"],
    rng: np.random.Generator,
) -> float:
    side = min(PATCH, real.shape[-1])
    corners = rng.integers(real.shape[-1] - side + 1, size=(2, len(real), PATCHES))
    a, b = (_patches(images, side, corners) for images in (real, fake))
    directions = rng.standard_normal((a.shape[1], DIRECTIONS))
    directions = (directions / np.linalg.norm(directions, axis=0)).astype(np.float32)
    gaps = np.sort(a @ directions, axis=0) - np.sort(b @ directions, axis=0)
    return float(np.abs(gaps).mean() / max(float(a.std()), 1e-6))


def _patches(
    images: Float32[np.ndarray, "n 3 h w"], side: int, corners: np.ndarray
) -> Float[np.ndarray, "m d"]:
    windows = np.lib.stride_tricks.sliding_window_view(images, (side, side), axis=(2, 3))
    rows, columns = corners
    chosen = windows[np.arange(len(images))[:, None], :, rows, columns]
    return chosen.reshape(rows.size, -1)
