"""The network of a flow: a U-Net (Ronneberger et al. 2015, arXiv:1505.04597) that knows the time.

Residual blocks scale and shift their features by the time, and features of 8x8 and less attend to
one another, as in Dhariwal & Nichol 2021 (arXiv:2105.05233). What a CPU needs is the first step:
squares of `patch` pixels become the channels of one position, so that no wide convolution runs over
the full image.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

_SMALLEST = 8
"""Height and width from which on features attend to one another, and are halved no more."""
_GROUPS = 32
_FREQUENCIES = 64


class Shape(NamedTuple):
    """What a network of images of any size is made by."""

    patch: int
    """Pixels a side that become one position."""
    width: int
    """Channels of the first level; later ones have twice as many."""
    blocks: int
    """Residual blocks of a level, on the way down and on the way up."""


SHAPES = {"small": Shape(4, 64, 2), "large": Shape(2, 128, 2)}


class UNet(nn.Module):
    """Maps images (n, 3, size, size) and times (n,) to images of the same shape."""

    def __init__(self, size: int, shape: Shape):
        super().__init__()
        self.patch = min(shape.patch, size // _SMALLEST)
        width, channels, known = shape.width, 3 * self.patch**2, 4 * shape.width
        self.time = nn.Sequential(
            _Frequencies(), nn.Linear(2 * _FREQUENCIES, known), nn.SiLU(), nn.Linear(known, known)
        )
        self.enter = nn.Conv2d(channels, width, 3, padding=1)
        self.levels = _Level(size // self.patch, width, 2 * width, known, shape.blocks)
        self.leave = nn.Sequential(
            *_activated(width), _zero(nn.Conv2d(width, channels, 3, padding=1))
        )
        self.to(memory_format=torch.channels_last)

    def forward(
        self, x: Float[Tensor, "n 3 s s"], t: Float[Tensor, " n"]
    ) -> Float[Tensor, "n 3 s s"]:
        """Return the network's images."""
        patches = functional.pixel_unshuffle(x, self.patch)
        h = self.enter(patches.contiguous(memory_format=torch.channels_last))
        h = self.levels(h, functional.silu(self.time(t)))
        return functional.pixel_shuffle(self.leave(h), self.patch)


class _Level(nn.Module):
    """Features of one size: blocks, all smaller sizes beside them, and blocks again."""

    def __init__(self, side: int, channels: int, wide: int, known: int, blocks: int):
        super().__init__()

        def chain(first: int) -> nn.ModuleList:
            into = [first, *[channels] * (blocks - 1)]
            return nn.ModuleList(_Block(each, channels, known, side) for each in into)

        self.before, self.below = chain(channels), None
        if side > _SMALLEST:
            self.shrink = nn.Conv2d(channels, wide, 3, stride=2, padding=1)
            self.below = _Level(side // 2, wide, wide, known, blocks)
            self.enlarge = nn.Sequential(nn.Conv2d(wide, channels, 1), nn.Upsample(scale_factor=2))
        self.after = chain(2 * channels if self.below else channels)

    def forward(self, h: Tensor, time: Tensor) -> Tensor:
        for block in self.before:
            h = block(h, time)
        if self.below is not None:
            h = torch.cat([h, self.enlarge(self.below(self.shrink(h), time))], 1)
        for block in self.after:
            h = block(h, time)
        return h


class _Block(nn.Module):
    """Two convolutions beside the identity; attention follows where features are small."""

    def __init__(self, channels: int, wide: int, known: int, side: int):
        super().__init__()
        self.first = nn.Sequential(*_activated(channels), nn.Conv2d(channels, wide, 3, padding=1))
        self.modulate = nn.Linear(known, 2 * wide)
        self.norm = nn.GroupNorm(_GROUPS, wide)
        self.second = nn.Sequential(nn.SiLU(), _zero(nn.Conv2d(wide, wide, 3, padding=1)))
        self.shortcut = nn.Conv2d(channels, wide, 1) if channels != wide else nn.Identity()
        self.attention = _Attention(wide) if side <= _SMALLEST else nn.Identity()

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        scale, shift = self.modulate(time)[:, :, None, None].chunk(2, 1)
        h = self.norm(self.first(x)) * (1 + scale) + shift
        return self.attention(self.shortcut(x) + self.second(h))


class _Attention(nn.Module):
    """Self-attention of positions beside the identity, in heads of 64 channels."""

    def __init__(self, channels: int):
        super().__init__()
        self.heads = max(channels // 64, 1)
        self.norm = nn.GroupNorm(_GROUPS, channels)
        self.ask = nn.Conv2d(channels, 3 * channels, 1)
        self.answer = _zero(nn.Conv2d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        n, channels, height, width = x.shape
        asked = self.ask(self.norm(x)).flatten(2).transpose(1, 2)  # (n, positions, 3 channels)
        queries, keys, values = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in asked.chunk(3, 2)
        )
        found = functional.scaled_dot_product_attention(queries, keys, values)
        found = found.transpose(1, 2).reshape(n, height, width, channels).permute(0, 3, 1, 2)
        return x + self.answer(found)


class _Frequencies(nn.Module):
    """Times in [0, 1] as sines and cosines of 64 frequencies (Vaswani et al. 2017)."""

    def forward(self, t: Float[Tensor, " n"]) -> Float[Tensor, "n 128"]:
        steps = torch.arange(_FREQUENCIES, device=t.device) / _FREQUENCIES
        angles = 1000 * t[:, None] * torch.exp(-math.log(10_000) * steps)
        return torch.cat([angles.cos(), angles.sin()], 1)


def _activated(channels: int) -> tuple[nn.Module, ...]:
    return nn.GroupNorm(_GROUPS, channels), nn.SiLU()


def _zero(layer: nn.Conv2d) -> nn.Conv2d:
    """Return `layer` as one that adds nothing yet."""
    nn.init.zeros_(layer.weight)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer
