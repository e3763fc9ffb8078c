"""LPIPS as an embedding: a squared distance between vectors, so all pairs cost one pass.

LPIPS(x, y) = Σₗ wₗ·‖φₗ(x) − φₗ(y)‖² averaged over positions, with w ≥ 0 (Zhang et al. 2018,
arXiv:1801.03924, equation 1). With e(x) = the features φₗ(x) scaled by √(wₗ / positions), it is
‖e(x) − e(y)‖². Networks and linear weights are those of the `lpips` package, version 0.1.
"""

import warnings
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from facebench.errors import BadInput
from facebench.features.extractor import Extractor, ImageBatch, Tensors, load_state
from facebench.numerics.allocator import kept_memory
from facebench.numerics.pair_moments import merged, moments_of
from facebench.numerics.precision import exact_float32
from facebench.weights import WeightFile, WeightSource

SMALLEST = 31
"""Pixels a side: of fewer, AlexNet's strides leave nothing for its second pooling."""
GROUP = 32
"""Consecutive images whose moments are kept apart, so that the value's uncertainty is known."""
_MOST = 256
"""Images whose moments are kept as one, far from the first: at 256×256 a row takes 2.6 MB."""
_PIXELS = 32 << 16
"""Of a batch: 32 images of 256×256, whose embeddings take 82 MB."""


class LPIPSFeatures(Extractor):
    """The moments over which the mean LPIPS of all pairs is exact."""

    name = "lpips-alex-v0.1"
    layer = ""  # of all five at once
    arithmetic = "fp32"  # always: AlexNet is small, and the squares of small differences are not
    images_per_row = GROUP

    def __init__(self, weights: WeightSource, device: str, load: bool = True):
        """Load AlexNet's features from `weights`; the linear layers come with `lpips`.

        Without `load`, they are found now and loaded when they are needed.
        """
        self._file = weights.find("alexnet")
        self.weights = {self._file.name: self._file.sha256}
        self.notes = self._file.notes
        self.device = device
        if load:
            _ = self.network

    @cached_property
    def network(self) -> Any:
        """The loaded `lpips.LPIPS`."""
        return lpips_network(self._file).to(self.device)

    def compute(self, images: ImageBatch, batch_size: int) -> Tensors:
        """Return moments, see :mod:`facebench.numerics.pair_moments`, a row for GROUP images."""
        size = max(1, min(batch_size, self.most(*images.shape[2:])))
        with torch.inference_mode(), exact_float32(), kept_memory(self.device):
            groups = torch.split(images, GROUP)
            rows = [moments_of(map(self.layers, torch.split(group, size))) for group in groups]
            return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}

    def kept(self, rows: Tensors, first: int) -> Tensors:
        """Return fewer rows, the farther from the first image of a set."""
        return merged(dict(rows), _together(first) // GROUP)

    def kept_as(self, first: int) -> str:
        """Name how many images share a row."""
        return f"{_together(first)} a row"

    @torch.inference_mode()
    def embed(self, images: ImageBatch) -> Float[Tensor, "n d"]:
        """Return e(x) of each image at its own size; ‖e(x) − e(y)‖² is LPIPS(x, y)."""
        with exact_float32():
            return torch.cat(list(self.layers(images)), 1)

    @staticmethod
    def most(height: int, width: int) -> int:
        """Return how many images of a size are best computed together."""
        return _PIXELS // (height * width)

    def layers(self, images: ImageBatch) -> Iterator[Float[Tensor, "n _"]]:
        """Yield what each of AlexNet's layers adds to e(x)."""
        height, width = images.shape[2:]
        if min(height, width) < SMALLEST:
            raise BadInput(
                f"LPIPS needs images of {SMALLEST} pixels a side or more, not {width}×{height}: "
                "leave lpips_diversity and ppl out."
            )
        scaled = self.network.scaling_layer(images.to(torch.float32) / 127.5 - 1)
        for phi, lin in zip(self.network.net(scaled), self.network.lins, strict=True):
            yield _embed_layer(phi, lin)


def _together(first: int) -> int:
    """Return how many images, from number `first` of a set, have their moments kept as one.

    No more than a 32nd of those before them, so that any number of images makes 32 groups.

    >>> [_together(first) for first in (0, 1792, 2048, 4096, 8192, 10**6)]
    [32, 32, 64, 128, 256, 256]
    """
    return min(max(1 << (first // GROUP).bit_length() >> 1, GROUP), _MOST)


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
