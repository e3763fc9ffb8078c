"""LPIPS as an embedding: a squared distance between vectors, so all pairs cost one pass.

LPIPS(x, y) = Σₗ wₗ·‖φₗ(x) − φₗ(y)‖² averaged over positions, with w ≥ 0 (Zhang et al. 2018,
arXiv:1801.03924, equation 1). With e(x) = the features φₗ(x) scaled by √(wₗ / positions), it is
‖e(x) − e(y)‖². Networks and linear weights are those of the `lpips` package, version 0.1.
"""

import warnings
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from facebench.errors import BadInput
from facebench.features.extractor import Record, batches, load_state
from facebench.numerics.allocator import kept_memory
from facebench.numerics.pair_moments import PairMoments
from facebench.numerics.precision import exact_float32
from facebench.weights import WeightFile, WeightSource

SMALLEST = 31
"""Pixels a side: of fewer, AlexNet's strides leave nothing for its second pooling."""
GROUP = 32
"""Consecutive images whose moments are kept apart, so that the value's uncertainty is known."""


class LPIPSFeatures:
    """The moments over which the mean LPIPS of all pairs is exact."""

    name = "lpips-alex-v0.1"
    layer = ""  # of all five at once
    arithmetic = "fp32"  # always: AlexNet is small, and the squares of small differences are not

    def __init__(self, weights: WeightSource, device: str, load: bool = True):
        """Load AlexNet's features from `weights`; the linear layers come with `lpips`.

        Without `load`, they are found now and loaded when they are needed.
        """
        self._file = weights.find("alexnet")
        self.weights = {self._file.name: self._file.sha256}
        self.notes = self._file.notes
        self._device = device
        if load:
            _ = self.network

    @cached_property
    def network(self) -> Any:
        """The loaded `lpips.LPIPS`."""
        return lpips_network(self._file).to(self._device)

    @kept_memory()
    def extract(self, images: UInt8[np.ndarray, "n 3 h w"], batch_size: int) -> Record:
        """Return the rows of :class:`PairMoments`, one for every GROUP images."""
        starts = range(0, len(images), GROUP)
        rows = [self._moments(images[i : i + GROUP], batch_size).arrays() for i in starts]
        return {key: np.concatenate([row[key] for row in rows]) for key in rows[0]}

    def _moments(self, images: UInt8[np.ndarray, "n 3 h w"], batch_size: int) -> PairMoments:
        parts = batches(images, batch_size, self._device)
        return PairMoments.merge([PairMoments.of(self.embed(part)) for part in parts])

    @torch.inference_mode()
    def embed(self, images: UInt8[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        """Return e(x) of each image at its own size; ‖e(x) − e(y)‖² is LPIPS(x, y)."""
        height, width = images.shape[2:]
        if min(height, width) < SMALLEST:
            raise BadInput(
                f"LPIPS needs images of {SMALLEST} pixels a side or more, not {width}×{height}: "
                "leave lpips_diversity out."
            )
        with exact_float32():
            scaled = self.network.scaling_layer(images.to(torch.float32) / 127.5 - 1)
            layers = zip(self.network.net(scaled), self.network.lins, strict=True)
            return torch.cat([_embed_layer(phi, lin) for phi, lin in layers], 1)


def _embed_layer(phi: Float[Tensor, "n c h w"], lin: Any) -> Float[Tensor, "n d"]:
    unit = phi / (phi.square().sum(1, keepdim=True).sqrt() + 1e-10)  # as lpips.normalize_tensor
    weight = lin.model[-1].weight  # 1×c×1×1, never negative
    return (unit * (weight / phi[0, 0].numel()).sqrt()).flatten(1)


def lpips_network(file: WeightFile) -> nn.Module:
    """Return the `lpips` package's network with AlexNet's weights from `file`."""
    import lpips

    with warnings.catch_warnings():  # lpips 0.1.4 asks torchvision in a way of before 0.13
        warnings.filterwarnings("ignore", "The parameter 'pretrained' is deprecated")
        warnings.filterwarnings("ignore", "Arguments other than a weight enum")
        network = lpips.LPIPS(net="alex", version="0.1", pnet_rand=True, verbose=False)
    state = load_state(file)
    # lpips cuts torchvision's `features` into slices but keeps their numbers as names.
    for target, tensor in network.net.named_parameters():
        name = f"features.{target.partition('.')[2]}"
        if name not in state or state[name].shape != tensor.shape:
            raise BadInput(f"{file.path} holds no AlexNet: {name} is missing or misshapen.")
        tensor.data.copy_(state[name])
    return network.requires_grad_(False).eval()
