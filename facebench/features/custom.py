"""A user's own network, named on the command line as ``MODULE:FUNCTION`` or ``FILE.py:FUNCTION``.

``FUNCTION(device)`` returns what maps images, ``uint8`` (n, 3, h, w) on that device, to features,
real numbers (n, d); each image's features must depend on that image alone. A torch module is moved
to the device and set to evaluation. Resizing and normalising are its business::

    def make(device):                       # my_module.py, used as my_module:make
        return lambda images: images.float().mean((2, 3))

The module is looked for among installed ones, then in the current folder; of a file, features are
called by its name without folder and suffix.
"""

from hashlib import sha256
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from facebench.errors import BadInput
from facebench.features.extractor import Extractor, ImageBatch, Tensors, in_batches
from facebench.features.user_network import TOLERANCE, open_network
from facebench.numerics.precision import Precision

_SIDE = 64


class CustomFeatures(Extractor):
    """Features by code that is not facebench's, checked for shape and numbers."""

    layer = ""

    def __init__(self, code: str, device: str, precision: Precision = "fp32"):
        """Import the module or file of `code`, and call the function with `device`."""
        network = open_network(code, device)
        self.name = network.name
        self.notes: tuple[str, ...] = (f"{self.name} is the user's own extractor",)
        self.arithmetic = self._precision = precision
        self.device = device
        self._user_network = network.run
        self.weights = dict(network.digests)
        self.weights[f"{self.name} features"] = self._shown()

    def compute(self, images: ImageBatch, batch_size: int) -> Tensors:
        """Return ``features`` of shape (n, d), float32."""
        (features,) = in_batches(self._network, images, batch_size, self._precision)
        return {"features": features}

    def _network(self, images: UInt8[Tensor, "n 3 h w"]) -> tuple[Float[Tensor, "n d"]]:
        features: Any = self._user_network(images.clone())  # which it may overwrite
        if not isinstance(features, Tensor) or features.is_complex():
            raise BadInput(f"{self.name} gave no tensor of real numbers: mend it.")
        if features.ndim != 2 or len(features) != len(images):
            raise BadInput(
                f"{self.name} gave the shape {tuple(features.shape)} for {len(images)} images, "
                f"where ({len(images)}, d) is needed."
            )
        if not features.isfinite().all():
            raise BadInput(f"{self.name} gave features that are NaN or infinite: mend it.")
        return (features.float(),)

    def _shown(self) -> str:
        """Return a digest of what it makes of two images: whatever it reads, shows there."""
        rng = np.random.Generator(np.random.Philox(key=0))
        images = rng.integers(0, 256, (2, 3, _SIDE, _SIDE), np.uint8)
        both, alone = (self.extract(images, size)["features"] for size in (2, 1))
        if not np.allclose(both, alone, rtol=TOLERANCE, atol=TOLERANCE * np.abs(both).max()):
            raise BadInput(
                f"{self.name} gives an image other features when it is alone than beside another: "
                "each image's must depend on it alone, so use no statistics of the batch."
            )
        return sha256(both.tobytes()).hexdigest()
