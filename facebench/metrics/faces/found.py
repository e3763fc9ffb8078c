"""How often a face is found, and how sure the detector is of it."""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float64
from scipy.special import betaincinv

from facebench.errors import BadInput
from facebench.metrics.face_sets import FaceSet
from facebench.metrics.uncertainty import Estimate, from_influence


def face_rate(real: FaceSet, fake: FaceSet) -> Estimate:
    """Return the share of images with exactly one face, beside the real images' own.

    Its details are the shares of images with none, and with several.
    """
    is_one = np.asarray(fake.counts) == 1
    estimate = from_influence(float(is_one.mean()), is_one)
    details = {"none": float((~fake.found).mean()), "several": float((fake.counts > 1).mean())}
    own = float((np.asarray(real.counts) == 1).mean())
    return replace(estimate, reference=own, details=details, bounds=share_bounds(is_one))


def confidence(real: FaceSet, fake: FaceSet) -> Estimate:
    """Return the detector's mean confidence where it found a face, beside that in real images.

    Raises:
        BadInput: where no face was found on either side.
    """
    of_real, of_fake = (each.confidence[each.found] for each in (real, fake))
    if not len(of_real) or not len(of_fake):
        raise BadInput("No face was found in the images of one side.")
    return from_influence(float(of_fake.mean()), of_fake).beside(float(of_real.mean()))


def share_bounds(
    hits: Bool[np.ndarray, " n"] | Float64[np.ndarray, " n"], noise: float = 0.0
) -> tuple[float, float]:
    """Return Jeffreys' 95 % interval of a share: one of none or all of a few is not known to be so.

    Args:
        hits: of which images or faces it is so; or of which part of a group, whose members are
            then taken to be all alike.
        noise: a variance that the share has besides that of these.
    """
    count, share = len(hits), hits.mean()
    smoothed = (hits.sum() + 0.5) / (count + 1)  # a share of 0 has a variance, too
    binomial = smoothed * (1 - smoothed)
    effective = binomial / (binomial / count + noise)
    ends = effective * share + 0.5, effective * (1 - share) + 0.5
    low, high = betaincinv(*ends, [0.025, 0.975])
    return float(low) if share > 0 else 0.0, float(high) if share < 1 else 1.0
