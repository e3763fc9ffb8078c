"""The networks of pix2pix (Isola et al. 2017, arXiv:1611.07004), small.

Unlike theirs: the U-Net ends at 4×4 pixels in place of 1×1, and the source itself, through a filter
of 3×3 pixels, skips to the last layer, so that what is to stay need not pass through maps of half
its size. Maps are normalised image by image (Ulyanov et al. 2016, arXiv:1607.08022), which is what
theirs by batches are in batches of one: an answer depends on its source alone.
"""

import math
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor, nn
from torch.nn.functional import interpolate

from facebench.errors import BadInput
from facebench.files import atomic_path, read_json
from facebench.sampler import Images, tensor_to_uint8
from facebench.training.images import to_network
from facebench.translator import Answers

BATCH = 64
SIZES = [2**power for power in range(4, 11)]
"""Of targets, in pixels."""
MOST_PIXELS, MOST_CHANNELS = 4096, 128
DROPPED = 3
"""Innermost maps of the way up whose values are dropped at random, if the network has so many."""
_BOTTOM = 4  # height and width of the smallest feature map
_WIDE = 256  # pixels from which patches are the paper's
_STANDARD_DEVIATION = 0.02  # of the weights before the first step


class UNet(nn.Module):
    """Source → answer: halved to 4×4 pixels and doubled again, with all that was seen on the way.

    Answers are square, of a power of two of at least 16 pixels; sources are square, of any size.
    """

    def __init__(self, size: int, source_size: int, width: int, dropout: int | float):
        super().__init__()
        self.size, self.source_size, self.dropout = size, source_size, dropout
        levels = int(math.log2(size // _BOTTOM))
        channels = [width * min(2**level, 8) for level in range(levels)]
        self.down = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(c, d, 4, stride=2, padding=1),
                *([_norm(d)] if level else []),
                nn.LeakyReLU(0.2),
            )
            for level, (c, d) in enumerate(pairwise([3, *channels]))
        )
        given = channels[-2::-1]
        taken = [channels[-1], *(2 * c for c in given)]
        self.up = nn.ModuleList(
            nn.Sequential(nn.ConvTranspose2d(c, d, 4, stride=2, padding=1), _norm(d), nn.ReLU())
            for c, d in zip(taken, given, strict=False)
        )
        self.last = nn.ConvTranspose2d(taken[-1], 3, 4, stride=2, padding=1)
        self.filter = nn.Conv2d(3, 3, 3, padding=1)
        self.dropped = [
            (d, 2 * _BOTTOM << level, 2 * _BOTTOM << level)
            for level, d in enumerate(given[:DROPPED])
        ]
        _initialise(self)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @property
    def noise_dim(self) -> int:
        """How many uniform numbers say what is dropped in one image."""
        return sum(map(math.prod, self.dropped))

    def forward(
        self, x: Float[Tensor, "n 3 s s"], noise: Float[Tensor, "n d"] | None = None
    ) -> Float[Tensor, "n 3 s s"]:
        """Return the answers to `x`, in [-1, 1] like it; dropped is what `noise` in [0, 1) says."""
        seen, source = [], x
        for block in self.down:
            x = block(x)
            seen.append(x)
        masks = self._masks(noise)
        x = seen.pop()
        for level, block in enumerate(self.up):
            x = block(x)
            x = torch.cat([x * masks[level] if level in masks else x, seen.pop()], 1)
        return (self.last(x) + self.filter(source)).tanh()

    def _masks(self, noise: Tensor | None) -> Mapping[int, Tensor]:
        """Return what is kept at each level that drops anything."""
        if noise is None or not self.dropout:
            return {}
        kept = (noise >= self.dropout).float() / (1 - self.dropout)
        parts = torch.split_with_sizes(kept, [math.prod(shape) for shape in self.dropped], dim=1)
        shaped = (part.view(-1, *shape) for part, shape in zip(parts, self.dropped, strict=True))
        return dict(enumerate(shaped))

    @torch.inference_mode()
    def translate(
        self, sources: Images, noise: Float32[np.ndarray, "n d"] | None = None
    ) -> Answers:
        """Return the answers to `sources`."""
        parts = []
        for start in range(0, len(sources), BATCH):
            part = slice(start, start + BATCH)
            x = self.enlarged(to_network(np.ascontiguousarray(sources[part])).to(self.device))
            z = None if noise is None else torch.from_numpy(noise[part]).to(self.device)
            parts.append(tensor_to_uint8(self(x, z), -1.0, 1.0))
        return np.concatenate(parts) if parts else np.empty((0, 3, self.size, self.size), np.uint8)

    def enlarged(self, x: Float[Tensor, "n 3 h h"]) -> Float[Tensor, "n 3 s s"]:
        """Return sources in the size of the answers, bilinearly where that is another."""
        if x.shape[-1] == self.size:
            return x
        size = (self.size, self.size)
        resized = interpolate(x, size, mode="bilinear", antialias=self.size < x.shape[-1])
        return resized.contiguous(memory_format=torch.channels_last)


class PatchDiscriminator(nn.Module):
    """(source, image) → one logit for every patch of 34×34 pixels; from 256 pixels on of 70×70."""

    def __init__(self, size: int, width: int):
        super().__init__()
        halvings = 2 if size < _WIDE else 3
        channels = [width * 2**level for level in range(halvings + 1)]
        layers: list[nn.Module] = [nn.Conv2d(6, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for level, (c, d) in enumerate(pairwise(channels), 1):
            stride = 2 if level < halvings else 1
            layers += [nn.Conv2d(c, d, 4, stride, padding=1), _norm(d), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels[-1], 1, 4, padding=1))
        _initialise(self)

    def forward(
        self, source: Float[Tensor, "n 3 s s"], image: Float[Tensor, "n 3 s s"]
    ) -> Float[Tensor, "n 1 p p"]:
        """Return logits that rise where `image` looks like the true answer to `source`."""
        return self.layers(torch.cat([source, image], 1))


def save(model: UNet, path: Path) -> None:
    """Write the weights of the U-Net atomically."""
    weights = {name: tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}
    with atomic_path(path) as partial:
        partial.write_bytes(to_bytes(weights))  # save_file's errors are no OSError


def load(path: Path) -> UNet:
    """Build the U-Net that the run's ``config.json`` describes, of the weights at `path`."""
    config = read_json(path.parent / "config.json")
    try:
        model = built(config)
        model.load_state_dict(load_file(path))
    except (KeyError, OSError, RuntimeError, TypeError, ValueError, SafetensorError) as error:
        reason = str(error).partition("\n")[0]
        raise BadInput(
            f"{path} and its config.json are not one U-Net, or damaged: {reason}."
        ) from error
    return model


def built(config: Mapping[str, Any]) -> UNet:
    """Return the U-Net that a run's `config` describes; ValueError where there can be none."""
    size, source_size, width, dropout = (
        config[name] for name in ("size", "source_size", "width", "dropout")
    )
    if type(size) is not int or size not in SIZES:
        raise ValueError(f"its size is {size!r:.50}")
    for name, value, most in (
        ("source_size", source_size, MOST_PIXELS),
        ("width", width, MOST_CHANNELS),
    ):
        if type(value) is not int or not 0 < value <= most:
            raise ValueError(f"its {name} is {value!r:.50}")
    if not isinstance(dropout, int | float) or not 0 <= dropout < 1:
        raise ValueError(f"its dropout is {dropout!r:.50}")
    return UNet(size, source_size, width, dropout)


def _norm(channels: int) -> nn.Module:
    return nn.InstanceNorm2d(channels, affine=True)


def _initialise(network: nn.Module) -> None:
    """Draw weights as the paper does, and lay them as a CPU is a quarter faster with."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.InstanceNorm2d):
            mean = float(isinstance(module, nn.InstanceNorm2d))
            nn.init.normal_(module.weight, mean, _STANDARD_DEVIATION)
            assert module.bias is not None
            nn.init.zeros_(module.bias)
    network.to(memory_format=torch.channels_last)
