"""Short steps in the latent space of a sampler, whose lengths in images are PPL's.

A sampler like others, so that models stay in processes of their own: seeds 2i and 2i + 1 are the
images before and after step i, from the latents of seed i towards those of another one.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32

from facebench.sampler import Images, LatentSampler
from facebench.samplers.latent_walks import own_latents

EPSILON = 0.03
"""The length of a step, as a share of the way to the other latents.

Samplers give bytes. Torch-fidelity's step, 1e-4, moves an image by a hundredth of a grey level: in
bytes that is 0 or 1 level at random, and makes PPL 60 to 100 times what it is without rounding. At
this one an image moves by about 2 levels, and PPL is within 2 % of its limit without rounding
(docs/uncertainty.md)."""
PARTNER = 1 << 30
"""How far the seed of the other latents is: no evaluation draws so many, and 32 bits hold it."""


class LatentSteps:
    """The images before and after each step."""

    def __init__(self, sampler: LatentSampler):
        """Step through the latent space of `sampler`."""
        self._sampler = sampler

    def sample(self, seeds: Sequence[int]) -> Images:
        """Return the images `seeds`: of step seed // 2, before it if even and after it if odd."""
        return self._sampler.decode(self._latents(seeds))

    def _latents(self, seeds: Sequence[int]) -> Float32[np.ndarray, "n d"]:
        steps, is_after = [seed // 2 for seed in seeds], np.array(seeds) % 2
        start = own_latents(self._sampler, steps)
        end = own_latents(self._sampler, [step + PARTNER for step in steps])
        shares = (EPSILON * is_after[:, None]).astype(np.float32)
        return np.asarray(start + shares * (end - start), np.float32)
