"""DINOv2's features as published FD-DINOv2 has them (Stein et al. 2023, arXiv:2306.04675).

The network is ViT-L/14 of Oquab et al. 2023 (arXiv:2304.07193), without registers, at 224×224; the
features are its class token after the last norm, of 1024 dimensions. Images are resized to 224×224
whatever their sides, nothing is cropped; ImageNet's mean is taken off, and they are divided by its
deviation.

Published numbers come from two programs, which differ in one thing, the resize:

- EDM2 (Karras et al. 2024, arXiv:2312.02696) resizes by PyTorch, bicubic and antialiased, and does
  neither round nor clip: ``dinov2``;
- dgm-eval (Stein et al.) resizes by Pillow, bicubic and antialiased too, which rounds and clips to
  bytes, across and then down: ``dinov2`` in the mode dgm-eval, kept as ``dinov2~pil-bytes``.

torch-fidelity's ``dinov2-vit-l-14`` is the same network after TensorFlow 1's bilinear resize, which
is not antialiased; its distances are others.
"""

from collections.abc import Mapping
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from facebench.features.extractor import ImageBatch
from facebench.features.resize import Resize
from facebench.features.vision_transformer import (
    LARGE,
    PATCH,
    Size,
    TransformerFeatures,
    empty_network,
    normalized,
    pillow_bicubic,
)
from facebench.numerics.precision import Precision
from facebench.weights import WeightSource

SIDE = 224
_TRAINED = 37  # patches a side, of 518 pixels, for which the file has positions
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class DINOv2Features(TransformerFeatures):
    """DINOv2's class token."""

    name = "dinov2"
    layer = "x_norm_clstoken"

    def __init__(
        self,
        weights: WeightSource,
        device: str,
        resize: Resize | None = None,
        precision: Precision = "fp32",
        load: bool = True,
        size: Size = LARGE,
    ):
        """Find the weights, and resize as EDM2 does, or as dgm-eval does ("pil-bytes")."""
        super().__init__(weights, device, precision, load, size)
        self._resize = torch_bicubic if resize is None else partial(pillow_bicubic, side=SIDE)
        if resize is not None:
            self.name = f"{self.name}~{resize}"  # a name of its own: features are kept by it

    def pixels(self, images: ImageBatch) -> Float[Tensor, "n 3 224 224"]:
        """Return the images at 224×224, normalised as ImageNet's."""
        return normalized(self._resize(images).float(), _MEAN, _STD)

    def build(self, state: Mapping[str, Tensor]) -> nn.Module:
        """Return the network for 224×224 with the tensors of facebookresearch/dinov2's file."""
        trained = state["pos_embed"]
        if trained.shape != (1, 1 + _TRAINED**2, self.size.width):
            raise ValueError(f"positions are of shape {tuple(trained.shape)}")
        norm = partial(nn.LayerNorm, eps=1e-6)
        # There are LayerScales; their values come with the file.
        network = empty_network(self.size, SIDE, init_values=1.0, norm_layer=norm)
        used = {name: tensor for name, tensor in state.items() if name != "mask_token"}
        network.load_state_dict(used | {"pos_embed": positions(trained)}, assign=True)
        return network


def torch_bicubic(images: ImageBatch) -> Float[Tensor, "n 3 224 224"]:
    """Resize to 224×224 as EDM2 does: bicubic, antialiased, neither rounded nor clipped."""
    return F.interpolate(images.float(), (SIDE, SIDE), mode="bicubic", antialias=True)


def positions(trained: Float[Tensor, "1 1370 d"]) -> Float[Tensor, "1 257 d"]:
    """Return the position embeddings of 16×16 patches from those of 37×37, as their makers do.

    Bicubic and not antialiased, by a factor of (16 + 0.1) / 37: their code adds the 0.1 against
    rounding, and PyTorch takes the factor for the distance of the points that it looks at.
    timm's own resampling is antialiased, and gives others.
    """
    token, patches = trained[:, :1], trained[:, 1:]
    grid = patches.reshape(1, _TRAINED, _TRAINED, trained.shape[2]).permute(0, 3, 1, 2)
    factor = (SIDE // PATCH + 0.1) / _TRAINED
    resized = F.interpolate(grid, scale_factor=(factor, factor), mode="bicubic")
    return torch.cat([token, resized.flatten(2).transpose(1, 2)], 1)
