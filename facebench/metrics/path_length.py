"""PPL, how fast images change along the latent space of a model (Karras et al. 2019, 1812.04948).

    mean of LPIPS(g(z), g(z + ε (z' - z))) / ε²  over pairs of latents z and z'

without what lies below the 1st and above the 99th percentile, as StyleGAN and torch-fidelity have
it. Theirs is LPIPS of VGG-16 at 64 pixels and ε = 1e-4; here it is AlexNet's, at the images' own
size, and ε is large enough for images that are bytes (facebench.samplers.latent_steps). The way is
a straight line, torch-fidelity's default, whatever the latents' distribution: so it is the same for
all models.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Real

from facebench.errors import BadInput
from facebench.metrics.uncertainty import Estimate, from_influence

CUT = 1.0
"""Per cent that are left out at either end."""
_FEW_LEVELS = 1.5
"""Grey levels a step: of fewer, rounding was found to add more than 5 %, of 0.6 a quarter."""


def path_length(
    distances: Real[np.ndarray, " n"], levels: Real[np.ndarray, " n"], epsilon: float
) -> Estimate:
    """Return the PPL of steps of the length `epsilon`.

    An influence is that of a trimmed mean, whose tails count as its ends do.

    Args:
        distances: the LPIPS of the two ends of each step.
        levels: by how many grey levels these differ, in the mean over pixels.
        epsilon: the share of the way from one latent vector to another.

    Raises:
        BadInput: for fewer than 2 distances, or values that are not finite.
    """
    if len(distances) < 2 or not np.isfinite(distances).all():
        raise BadInput(f"PPL needs 2 steps or more of finite length, not these {len(distances)}.")
    lengths = distances.astype(np.float64) / epsilon**2
    low = np.percentile(lengths, CUT, method="lower")
    high = np.percentile(lengths, 100 - CUT, method="higher")
    kept = lengths[(low <= lengths) & (lengths <= high)]
    of_each = lengths.clip(low, high) * (len(lengths) / len(kept))
    estimate = from_influence(float(kept.mean()), of_each)
    moved = float(levels.mean())
    details = {"standard_deviation": float(kept.std()), "step": epsilon, "grey_levels": moved}
    return replace(estimate, details=details, note=_on_rounding(moved))


def _on_rounding(levels: float) -> str:
    """Say where images are not moved far enough for bytes to show it."""
    if levels >= _FEW_LEVELS:
        return ""
    return (
        f"a step moves the images by {levels:.2g} grey levels in the mean, so their rounding to "
        "bytes makes up much of it"
    )
