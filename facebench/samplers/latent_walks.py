"""Walks through the latent space of a sampler: truncated, between seeds, along a direction."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Float32

from facebench.errors import BadInput
from facebench.sampler import Images, LatentSampler, Sampler, latents

PROBES = 512
"""Images from which principal components are estimated."""
COARSE = 16
"""Their height and width for that, for details are noise to it."""
BATCH = 64

Latents = Float32[np.ndarray, "n d"]


def latent_sampler(sampler: Sampler, name: str) -> LatentSampler:
    """Return `sampler` if it has a latent space, else refuse it."""
    if hasattr(sampler, "latent_dim") and hasattr(sampler, "decode"):
        return sampler  # type: ignore[return-value]  # it need not inherit the class
    raise BadInput(f"{name} has no latent space to walk through: it gives pictures by number only.")


def own_latents(sampler: LatentSampler, seeds: Sequence[int]) -> Latents:
    """Return the latents of `seeds`, standard normal where the sampler does not say its own."""
    has_own = hasattr(sampler, "draw")  # it need not inherit the class
    return sampler.draw(seeds) if has_own else latents(seeds, sampler.latent_dim)


def truncated(sampler: LatentSampler, seeds: Sequence[int], truncation: int | float) -> Latents:
    """Return the latents of `seeds`, moved to 0 by the factor `truncation`.

    Less than 1 gives more typical and less varied faces (Karras et al. 2019, arXiv:1812.04948).
    """
    return own_latents(sampler, seeds) * np.float32(truncation)


def between(points: Latents, steps: int) -> Float32[np.ndarray, "m d"]:
    """Return `steps` latents from each point up to the next, the last point included.

    Along great circles (Shoemake 1985), with the length in between, so that all are as likely as
    the points are: the middle of a straight line would be too near to 0.

    >>> (between(4 * np.eye(2, dtype=np.float32), 2) ** 2).round().tolist()
    [[16.0, 0.0], [8.0, 8.0], [0.0, 16.0]]
    """
    shares = np.arange(steps, dtype=np.float32)[:, None] / steps
    legs = [_arc(a, b, shares) for a, b in pairwise(points)]
    return np.concatenate([*legs, points[-1:]]).astype(np.float32)


def _arc(a: np.ndarray, b: np.ndarray, shares: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(a), np.linalg.norm(b)
    if min(lengths) == 0:
        return a + shares * (b - a)
    cosine = np.clip(a @ b / (lengths[0] * lengths[1]), -1, 1)
    angle = np.arccos(cosine)
    if np.sin(angle) < 1e-4:  # the same direction, or opposite ones, which no arc is nearest to
        return a + shares * (b - a)
    turned = np.sin((1 - shares) * angle) * a / lengths[0] + np.sin(shares * angle) * b / lengths[1]
    return turned / np.sin(angle) * ((1 - shares) * lengths[0] + shares * lengths[1])


def along(
    z: Float32[np.ndarray, " d"],
    direction: Float32[np.ndarray, " d"],
    reach: int | float,
    steps: int,
) -> Float32[np.ndarray, "n d"]:
    """Return `steps` latents whose part along the unit `direction` goes from -reach to reach.

    The rest stays that of `z`; reach is in units of the latents, standard deviations if normal.
    """
    rest = z - (z @ direction) * direction
    return (rest + np.linspace(-reach, reach, steps)[:, None] * direction).astype(np.float32)


def coordinate(index: int, dim: int) -> Float32[np.ndarray, " d"]:
    """Return the unit vector of latent number `index`, counted from 0."""
    if index >= dim:
        raise BadInput(f"There is no latent {index}: the model has {dim}, counted from 0.")
    return np.eye(1, dim, index, dtype=np.float32)[0]


def principal(sampler: LatentSampler, count: int) -> list[Float32[np.ndarray, " d"]]:
    """Return the latent directions along which principal components of the images grow.

    Of 512 images, at 16x16 pixels; the direction of a component is that of its correlations with
    the latents (its gradient, for a linear model).
    """
    z = own_latents(sampler, range(PROBES))
    pixels = _coarse(decode(sampler, z)).reshape(PROBES, -1)
    scores = np.linalg.svd(pixels - pixels.mean(0), full_matrices=False)[0]
    if count > min(scores.shape[1], sampler.latent_dim):
        raise BadInput(f"There are no {count} principal components to be found: ask for fewer.")
    found = (z - z.mean(0)).T @ scores[:, :count]
    return list((found / np.linalg.norm(found, axis=0)).T.astype(np.float32))


def decode(sampler: LatentSampler, z: Latents) -> Images:
    """Return the images of `z`, in batches that fit into memory."""
    return in_batches(sampler.decode, z)


def in_batches(function: Callable[[Any], Images], items: Sequence[int] | Latents) -> Images:
    """Return what `function` gives of all `items`, in batches that fit into memory."""
    parts = [function(items[start : start + BATCH]) for start in range(0, len(items), BATCH)]
    return np.concatenate(parts)


def _coarse(images: Images) -> np.ndarray:
    factor = max(images.shape[-1] // COARSE, 1)
    side = images.shape[-1] // factor
    cut = images[..., : side * factor, : side * factor].astype(np.float32)
    return cut.reshape(len(cut), 3, side, factor, side, factor).mean((3, 5))
