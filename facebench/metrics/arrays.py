"""Features at the door of the metrics: checked, in one dtype, on the device they came on."""

from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from facebench.errors import BadInput

Features: TypeAlias = np.ndarray | Tensor
"""What a metric accepts: real numbers of shape (n, d), one row per image, any dtype and device."""

# Whatever fits float32 can be squared and cubed in float64 without overflow: no metric is infinite.
_LARGEST = torch.finfo(torch.float32).max
_OF_NUMPY = {torch.float32: np.float32, torch.float64: np.float64}


def as_features(
    values: Features,
    name: str = "features",
    minimum: int = 1,
    dtype: torch.dtype = torch.float64,
) -> Float[Tensor, "n d"]:
    """Return `values` in `dtype`, or raise :class:`BadInput` where no metric could use them.

    Never copies what is of that dtype already, so the result is read, not written.
    """
    features = _converted(values, name, dtype)
    if features.ndim != 2 or features.shape[1] == 0:
        raise BadInput(f"The {name} must have the shape (n, d), not {tuple(features.shape)}.")
    if len(features) < minimum:
        raise BadInput(
            f"The {name} hold {len(features)} samples where at least {minimum} are needed."
        )
    low, high = torch.aminmax(features)
    if not (low >= -_LARGEST and high <= _LARGEST):  # false for NaN, too
        raise BadInput(f"The {name} hold NaN or infinite values: mend what computed them.")
    return features


def as_pair(
    real: Features, fake: Features, minimum: int = 1, dtype: torch.dtype = torch.float64
) -> tuple[Float[Tensor, "n d"], Float[Tensor, "m d"]]:
    """Return both sets as :func:`as_features` does, on one device and known to be equally wide."""
    x = as_features(real, "real features", minimum, dtype)
    y = as_features(fake, "generated features", minimum, dtype)
    if x.shape[1] != y.shape[1]:
        raise BadInput(
            f"The real features have {x.shape[1]} columns and the generated ones {y.shape[1]}: "
            "compute both with one extractor."
        )
    device = y.device if x.device.type == "cpu" else x.device
    return x.to(device), y.to(device)


def _converted(values: Features, name: str, dtype: torch.dtype) -> Tensor:
    if values.dtype.kind not in "fiu" if isinstance(values, np.ndarray) else values.is_complex():
        raise BadInput(f"The {name} must be real numbers, not {values.dtype}.")
    if isinstance(values, Tensor):
        return values.detach().to(dtype)
    # torch takes neither read-only memory maps nor foreign byte orders
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused
        return torch.from_numpy(np.require(values, _OF_NUMPY[dtype], ["C", "W"]))
