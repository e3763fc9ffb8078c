"""What the Vision Transformers have in common: timm's network, their makers' weights, Pillow.

timm is imported when a network is built, which is given the file's tensors and draws none of its
own: of 300 million values that would take seconds.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor, nn

from facebench.errors import BadInput
from facebench.features.extractor import Extractor, ImageBatch, Tensors, in_batches, load_state
from facebench.numerics.precision import Precision, arithmetic
from facebench.weights import MANIFEST, WeightSource


@dataclass(frozen=True)
class Size:
    """Of a Vision Transformer."""

    width: int
    depth: int
    heads: int


LARGE = Size(1024, 24, 16)
"""ViT-L, the size of which published numbers are."""
PATCH = 14


class TransformerFeatures(Extractor):
    """The class token of a Vision Transformer; subclasses give `pixels` and `build`."""

    name: str
    """Also that of its weights in the manifest."""

    def __init__(
        self,
        weights: WeightSource,
        device: str,
        precision: Precision = "fp32",
        load: bool = True,
        size: Size = LARGE,
    ):
        """Find the weights in their makers' file; without `load`, load them when they are needed.

        Of another `size` than LARGE there are no weights that published numbers are of.
        """
        _need_timm(self.name)
        self._file = weights.find(self.name)
        self.weights = {self._file.name: self._file.sha256}
        self.notes = self._file.notes
        self.arithmetic = self._precision = precision
        self.device = device
        self.size = size
        if load:
            _ = self.network

    @abstractmethod
    def pixels(self, images: ImageBatch) -> Float[Tensor, "n 3 s s"]:
        """Return what the network sees of `images`: resized and normalised, on their device."""

    @abstractmethod
    def build(self, state: Mapping[str, Tensor]) -> nn.Module:
        """Return the network with the tensors of its makers' file.

        Raises:
            KeyError, RuntimeError, ValueError: if they are another network's.
        """

    @cached_property
    def network(self) -> nn.Module:
        """The loaded network."""
        state = load_state(self._file)
        try:
            network = self.build({name: tensor.float() for name, tensor in state.items()})
        except (KeyError, RuntimeError, ValueError) as error:
            url = MANIFEST[self._file.name].url
            raise BadInput(
                f"{self._file.path} does not fit {self._file.name}: give {url}."
            ) from error
        return network.requires_grad_(False).eval().to(self.device)

    def compute(self, images: ImageBatch, batch_size: int) -> Tensors:
        """Return ``features`` of shape (n, d), float32."""
        (features,) = in_batches(self._features, images, batch_size)
        return {"features": features}

    def _features(self, images: UInt8[Tensor, "n 3 h w"]) -> tuple[Float[Tensor, "n d"]]:
        pixels = self.pixels(images)
        with arithmetic(self._precision, self.device):  # only here: pixels are exact
            return (self.network(pixels).float(),)


def _need_timm(extractor: str) -> None:
    """Refuse before weights of a gigabyte are downloaded."""
    if find_spec("timm") is None:
        raise BadInput(
            f"The extractor {extractor} needs the package 'timm', which is not installed: "
            "pip install 'facebench[vit]'"
        )


def empty_network(size: Size, side: int, **options: Any) -> nn.Module:
    """Return timm's network of patches of 14×14, whose tensors have shapes but no values yet."""
    from timm.models.vision_transformer import VisionTransformer

    return VisionTransformer(
        img_size=side,
        patch_size=PATCH,
        num_classes=0,
        embed_dim=size.width,
        depth=size.depth,
        num_heads=size.heads,
        weight_init="skip",
        device="meta",
        **options,
    )


def pillow_bicubic(
    images: UInt8[Tensor, "n 3 h w"], side: int
) -> UInt8[Tensor, "n 3 {side} {side}"]:
    """Resize to a square as Pillow does: bicubic, antialiased, to bytes, across and then down.

    Pillow has no GPU: it is done on the CPU, wherever the images are.
    """
    pictures = images.permute(0, 2, 3, 1).cpu().numpy()
    resized = np.stack([_resize(picture, side) for picture in pictures])
    return torch.from_numpy(resized).permute(0, 3, 1, 2).to(images.device)


def _resize(picture: UInt8[np.ndarray, "h w 3"], side: int) -> UInt8[np.ndarray, "s s 3"]:
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC))


def normalized(
    x: Float[Tensor, "n 3 h w"], mean: Sequence[float], std: Sequence[float]
) -> Float[Tensor, "n 3 h w"]:
    """Return values of 0…255 as (x / 255 - mean) / std, channel by channel."""
    channels = (x / 255).unbind(1)
    return torch.stack([(c - m) / s for c, m, s in zip(channels, mean, std, strict=True)], 1)
