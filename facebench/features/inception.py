"""FID's Inception, and the ways in which programs resize images for it.

The network is torch-fidelity's port of TensorFlow's of 2015-12-05, as pytorch-fid's and clean-fid's
are. They differ in how they resize ``uint8`` images to 299×299, and scores with them (Parmar et al.
2022, arXiv:2104.11222). With BatchNorm folded, projections before pools, and channels_last it is
about twice as fast on a CPU, features equal to a relative 1e-6.
"""

from collections.abc import Callable, Mapping
from functools import cache, cached_property
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor, nn

from facebench.errors import BadInput
from facebench.features.compiled import Compiled
from facebench.features.extractor import Extractor, ImageBatch, Tensors, in_batches
from facebench.features.resize import Resize
from facebench.features.torch_fidelity import load_network
from facebench.numerics.precision import Precision, arithmetic, layout
from facebench.weights import WeightSource

SIZE = (299, 299)
_ENDS = {"64": "MaxPool_1", "192": "MaxPool_2", "768": "Mixed_6e", "2048": "AvgPool"}
_POOL = "2048"


class InceptionFeatures(Extractor):
    """One layer of FID's Inception; the last, its pool, brings the logits too."""

    def __init__(
        self,
        layer: str,
        weights: WeightSource,
        device: str,
        resize: Resize = "tf1",
        precision: Precision = "fp32",
        compiled: bool = False,
        load: bool = True,
    ):
        """Load the network up to `layer`; an empty one means the pool features, FID's own.

        Without `load`, its weights are found now and loaded when they are needed.
        """
        self.layer = layer or _POOL
        if self.layer not in _ENDS:
            raise BadInput(f"inception has no layer {layer!r}; it has: {', '.join(_ENDS)}.")
        self.name = "inception" if self.layer == _POOL else f"inception@{self.layer}"
        if resize != "tf1":
            self.name += f"~{resize}"  # a name of its own: features are kept by it
        self._file = weights.find("inception")
        self.weights = {self._file.name: self._file.sha256}
        self.notes = self._file.notes
        # In float32 compiled and not are equal to 1e-6: what the one has kept serves the other.
        self.arithmetic = f"{precision} compiled" if compiled and precision != "fp32" else precision
        self._compiled = compiled
        self._precision = precision
        self._layout = layout(precision, device)
        self._resize = RESIZES[resize]
        self.device = device
        if load:
            _ = self._loaded

    def compute(self, images: ImageBatch, batch_size: int) -> Tensors:
        """Return ``features`` (n, d) and, of the pool, unbiased ``logits`` (n, 1008), float32."""
        tensors = in_batches(self._network, images, batch_size)
        return dict(zip(("features", "logits")[: len(tensors)], tensors, strict=True))

    @cached_property
    def _loaded(self) -> tuple[Any, Tensor]:
        """The network up to the layer, and what makes logits of the pool."""
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        from facebench.features.fusion import fold_batch_norms, project_before_pooling

        module = load_network("inception", FeatureExtractorInceptionV3, self.layer, self._file)
        fold_batch_norms(module)
        blocks = project_before_pooling(_up_to(_ENDS[self.layer], module))
        blocks = blocks.to(self.device).to(memory_format=self._layout)
        classifier = module.fc.weight.to(self.device)
        return Compiled(blocks) if self._compiled else blocks, classifier

    def _network(self, images: UInt8[Tensor, "n 3 h w"]) -> tuple[Float[Tensor, "n _"], ...]:
        x = self._resize(images).contiguous(memory_format=self._layout)
        with arithmetic(self._precision, self.device):  # only here: the rest costs nothing
            maps = self._loaded[0](x)
        features = maps.float().mean((2, 3))
        if self.layer != _POOL:
            return (features,)
        return features, features @ self._loaded[1].T


def tf1(images: UInt8[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 299 299"]:
    """Resize to SIZE in -1…1 as TensorFlow 1 does: bilinear, the grid beginning at pixel 0, 0.

    So do torch-fidelity, StyleGAN3, EDM2 and ADM. As one matrix product a side it takes a twentieth
    of the time of torch-fidelity's gathers at 64×64, and equals them to 3e-7.
    """
    height, width = images.shape[2:]
    rows, columns = (_bilinear(side, str(images.device)) for side in (height, width))
    return rows @ ((images.float() - 128) / 128) @ columns.T


@cache
def _bilinear(side: int, device: str) -> Float[Tensor, "299 side"]:
    """Return the weights of `side` pixels in each of the resized ones."""
    position = torch.arange(SIZE[0]) * (side / SIZE[0])
    first = position.floor().long()
    weights = torch.zeros(SIZE[0], side)
    weights.scatter_add_(1, first[:, None], (1 - position + first)[:, None])
    second = (first + 1).clamp(max=side - 1)
    weights.scatter_add_(1, second[:, None], (position - first)[:, None])
    return weights.to(device)


def torch_bilinear(images: UInt8[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 299 299"]:
    """Resize to SIZE in -1…1 as PyTorch does, bilinear, not antialiased. So does pytorch-fid."""
    return 2 * F.interpolate(images / 255, SIZE, mode="bilinear", align_corners=False) - 1


def pil_bicubic(images: UInt8[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 299 299"]:
    """Resize to SIZE in -1…1 as Pillow does, bicubic, not rounded to bytes. So does clean-fid."""
    channels = images.flatten(0, 1).cpu().numpy().astype(np.float32)
    resized = np.stack([_resize_channel(channel) for channel in channels])
    x = torch.from_numpy(resized).reshape(*images.shape[:2], *SIZE).to(images.device)
    return (x.clamp(0, 255) - 128) / 128


def _resize_channel(channel: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "299 299"]:
    return np.asarray(Image.fromarray(channel).resize(SIZE, Image.Resampling.BICUBIC))


RESIZES: Mapping[Resize, Callable[[Tensor], Tensor]] = {
    "tf1": tf1,
    "torch": torch_bilinear,
    "pil-bicubic": pil_bicubic,
}


def _up_to(end: str, module: nn.Module) -> nn.Sequential:
    """Return the network's blocks until `end`; torch-fidelity lists them as they are passed."""
    names = [name for name, _ in module.named_children()]
    return nn.Sequential(*list(module.children())[: names.index(end) + 1])
