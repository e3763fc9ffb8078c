"""Random features: a seeded, untrained convolutional network, which needs no download.

Naeem et al. 2020 (arXiv:2002.09797, section 4.2) found random embeddings usable where ImageNet's
are far from the data. Four 3×3 convolutions with He weights and ReLU, halved by average pooling
in between, at 64×64; the mean and standard deviation of every level, 1,408 dimensions. It ranks
blurred images and other distributions rightly, but hardly sees pixel noise, and its distances
are on a scale of their own: they are never called FID.
"""

import itertools
import math

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from facebench.features.extractor import Extractor, ImageBatch, Tensors, in_batches
from facebench.numerics.precision import Precision

CHANNELS = (3, 64, 128, 256, 256)
SIZE = 64


class RandomFeatures(Extractor):
    """Features of a random network, the same on every machine."""

    name = "random"
    layer = ""
    notes: tuple[str, ...] = (
        "random features: fine for comparing models here, no substitute for FID",
    )

    def __init__(self, device: str, precision: Precision = "fp32"):
        """Draw the network's weights (NumPy's Philox, key 0) onto `device`."""
        self.arithmetic = self._precision = precision
        rng = np.random.Generator(np.random.Philox(key=0))
        pairs = itertools.pairwise(CHANNELS)
        self.weights: dict[str, str] = {}
        self.device = device
        self._kernels = [
            torch.from_numpy(
                rng.standard_normal((out, of, 3, 3), dtype=np.float32) * math.sqrt(2 / (9 * of))
            ).to(device=device, memory_format=torch.channels_last)
            for of, out in pairs
        ]

    def compute(self, images: ImageBatch, batch_size: int) -> Tensors:
        """Return ``features`` of shape (n, 1408), float32."""
        (features,) = in_batches(self._network, images, batch_size, self._precision)
        return {"features": features}

    def _network(self, images: UInt8[Tensor, "n 3 h w"]) -> tuple[Float[Tensor, "n d"]]:
        x = images.to(torch.float32, memory_format=torch.channels_last)
        x = F.interpolate(x, (SIZE, SIZE), mode="bilinear", antialias=True) / 127.5 - 1
        levels = []
        for kernel in self._kernels:
            x = F.conv2d(x, kernel, padding=1).relu().float()
            levels += [x.mean((2, 3)), x.std((2, 3), correction=0)]
            x = F.avg_pool2d(x, 2)
        return (torch.cat(levels, 1),)
