"""Latents of the distributions that people train generators on, one generator per seed.

``normal`` is N(0, 1), ``uniform`` is U(−1, 1), ``truncated`` is N(0, 1) cut at ±2 (as TensorFlow's
``truncated_normal`` and BigGAN, arXiv:1809.11096, draw it). Every row depends on its seed alone.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float32

from facebench.errors import BadInput
from facebench.sampler import latents

CUT = 2.0
"""Where the truncated normal ends, in standard deviations."""

Latents = Float32[np.ndarray, "n d"]


def draw(seeds: Sequence[int], dim: int, distribution: str) -> Latents:
    """Return one latent vector of `distribution` per seed, ``float32`` (len(seeds), dim)."""
    return _FROM[check_distribution(distribution)](seeds, dim)


def check_distribution(name: str) -> str:
    """Return `name` if it is a distribution, else raise BadInput naming those there are."""
    if name not in _FROM:
        raise BadInput(f"There is no latent={name!r}; there are: {', '.join(_FROM)}.")
    return name


def parse_shape(text: str) -> tuple[int, ...]:
    """Return the latent shape that ``size=`` says.

    >>> parse_shape("100"), parse_shape("512x1x1")
    ((100,), (512, 1, 1))
    """
    parts = text.split("x")
    if not all(part.isascii() and part.isdecimal() and 0 < int(part) < 1 << 20 for part in parts):
        raise BadInput(f"size={text!r} is not a latent size: give size=100 or size=100x1x1.")
    return tuple(int(part) for part in parts)


def _uniform(seeds: Sequence[int], dim: int) -> Latents:
    return _uniform_rows(seeds, dim, -1, 1).astype(np.float32)


def _truncated(seeds: Sequence[int], dim: int) -> Latents:
    """Push uniform numbers through the inverse of the cut normal's distribution function."""
    from scipy.special import ndtri

    tail = 0.5 * math.erfc(CUT / math.sqrt(2))
    return ndtri(_uniform_rows(seeds, dim, tail, 1 - tail)).astype(np.float32)


def _uniform_rows(
    seeds: Sequence[int], dim: int, low: int | float, high: int | float
) -> np.ndarray:
    generators = [np.random.Generator(np.random.Philox(key=int(seed))) for seed in seeds]
    return np.stack([generator.uniform(low, high, dim) for generator in generators])


_FROM: Mapping[str, Callable[[Sequence[int], int], Latents]] = {
    "normal": latents,
    "uniform": _uniform,
    "truncated": _truncated,
}
