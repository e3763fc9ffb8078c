"""The LPIPS of images that come in pairs, and how many grey levels they are apart."""

from functools import reduce

import torch
from jaxtyping import Float32
from torch import Tensor

from facebench.features.extractor import ImageBatch, Tensors
from facebench.features.lpips import LPIPSFeatures
from facebench.numerics.allocator import kept_memory
from facebench.numerics.precision import exact_float32


class LPIPSOfPairs(LPIPSFeatures):
    """The distance of each image with an even place to the next one."""

    name = "lpips-alex-v0.1 of pairs"
    images_per_row = 2

    def compute(self, images: ImageBatch, batch_size: int) -> Tensors:
        """Return distance and mean difference of each pair, whose images are computed together."""
        height, width = images.shape[2:]
        pairs = max(1, min(batch_size, self.most(height, width)) // 2)
        with torch.inference_mode(), exact_float32(), kept_memory(self.device):
            parts = torch.split(images, 2 * pairs)
            return {
                "distance": torch.cat([self._distances(part) for part in parts]),
                "levels": torch.cat([_levels(part) for part in parts]),
            }

    def kept(self, rows: Tensors, first: int) -> Tensors:
        """Return all of them."""
        return rows

    def kept_as(self, first: int) -> str:
        """Name no other form: there is one."""
        return ""

    def _distances(self, images: ImageBatch) -> Float32[Tensor, " pairs"]:
        layers = self.layers(images)
        return reduce(torch.add, ((e[::2] - e[1::2]).square().sum(1) for e in layers))


def _levels(images: ImageBatch) -> Float32[Tensor, " pairs"]:
    values = images.float()
    return (values[::2] - values[1::2]).abs().mean((1, 2, 3))
