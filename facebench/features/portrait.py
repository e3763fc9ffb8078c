"""Features that know faces: a small network of our own, whose weights are in the package.

It has learnt from painted faces, procedural textures and damage to both, never from a photograph,
to say what Inception's layer of 768 says of them, and what is wrong with them (docs/features.md has
how, and how far it stands in for Inception). Nine convolutions at 64×64; the means of the maps of
four sizes, mapped linearly. Its distances are on a scale of their own: they are never called FID.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from safetensors.torch import load_file
from torch import Tensor, nn

from facebench.features.extractor import Extractor, ImageBatch, Tensors, in_batches
from facebench.files import file_digest
from facebench.numerics.precision import Precision

SIZE = 64
FILE = Path(__file__).with_name("portrait.safetensors")
LAYERS = (
    *((32, 2), (32, 1)),
    *((64, 2), (64, 1)),
    *((128, 2), (128, 1), (128, 1)),
    *((256, 2), (256, 1)),
)
"""Channels and stride of each convolution."""
_ENDS = [place for place, (_, stride) in enumerate((*LAYERS[1:], (0, 2))) if stride == 2]
POOLED = sum(LAYERS[place][0] for place in _ENDS)


class PortraitNetwork(nn.Module):
    """The network before its linear map: images to the means of the last maps of each size."""

    def __init__(self, normalised: bool = False):
        """Build it with biases, as it is used, or with BatchNorm, as it learns."""
        super().__init__()
        widths = (3, *(channels for channels, _ in LAYERS))
        self.layers = nn.ModuleList(
            _convolution(before, channels, stride, normalised)
            for before, (channels, stride) in zip(widths, LAYERS, strict=False)
        )

    def forward(self, x: Float[Tensor, "n 3 64 64"]) -> Float[Tensor, "n d"]:
        """Return POOLED numbers of each image, whose pixels are in -1…1."""
        means = []
        for place, (layer, (_, stride)) in enumerate(zip(self.layers, LAYERS, strict=True)):
            found = layer(x).relu()
            x = found if stride == 2 else x + found
            if place in _ENDS:
                means.append(x.mean((2, 3)))
        return torch.cat(means, 1)


def _convolution(before: int, channels: int, stride: int, normalised: bool) -> nn.Module:
    convolution = nn.Conv2d(before, channels, 3, stride, 1, bias=not normalised)
    if not normalised:
        return convolution
    return nn.Sequential(convolution, nn.BatchNorm2d(channels))


def to_network(images: UInt8[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 64 64"]:
    """Resize to SIZE, bilinear and antialiased, and map 0 to 255 to -1…1."""
    x = images.to(torch.float32, memory_format=torch.channels_last)
    if x.shape[2:] != (SIZE, SIZE):
        x = F.interpolate(x, (SIZE, SIZE), mode="bilinear", antialias=True)
    return x / 127.5 - 1


class PortraitFeatures(Extractor):
    """Features of the package's own network."""

    name = "portrait"
    layer = ""
    notes: tuple[str, ...] = ("portrait features: not Inception's, and no FID",)

    def __init__(self, device: str, precision: Precision = "fp32", file: Path = FILE):
        """Load the weights of `file` onto `device`."""
        self.arithmetic = self._precision = precision
        self.weights = {"portrait": file_digest(file)}
        self.device = device
        state = {name: tensor.float() for name, tensor in load_file(file).items()}
        self._map, self._offset = (state.pop(name).to(device) for name in ("map", "offset"))
        network = PortraitNetwork()
        network.load_state_dict(state)
        self._trunk = network.to(device).eval().to(memory_format=torch.channels_last)

    def compute(self, images: ImageBatch, batch_size: int) -> Tensors:
        """Return ``features`` of shape (n, d), float32."""
        (features,) = in_batches(self._network, images, batch_size, self._precision)
        return {"features": features}

    def _network(self, images: UInt8[Tensor, "n 3 h w"]) -> tuple[Float[Tensor, "n d"]]:
        pooled = self._trunk(to_network(images)).float()
        return (pooled @ self._map + self._offset,)
