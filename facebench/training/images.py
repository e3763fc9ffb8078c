"""The images of a step where the network is: on a GPU, without the program waiting for it.

Bytes travel, a quarter of what float32 would be.
"""

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

from facebench.numerics.transfer import send
from facebench.sampler import Images
from facebench.training.learner import Choice, ImageRows, take

SHARE = 4
"""A data set of up to one part in so many of the GPU's memory is copied there, once."""
PIECE = 64 << 20
"""Bytes that are read and sent at a time."""


class PlacedImages:
    """Training images that batches are taken of on `device`."""

    def __init__(self, images: ImageRows, device: torch.device):
        self._images, self._device = images, device
        self._resident = _copy(images, device) if _fits(images, device) else None

    def __len__(self) -> int:
        return len(self._images)

    @property
    def is_resident(self) -> bool:
        """Whether all of them are on the device."""
        return self._resident is not None

    def take(self, choice: Choice) -> UInt8[Tensor, "n 3 s s"]:
        """Return the images of `choice`, as `facebench.training.learner.take` does."""
        if self._device.type == "cpu":
            return torch.from_numpy(take(self._images, choice))
        mirrored = send(choice.mirrored, self._device)
        if self._resident is None:
            chosen = send(self._images[choice.rows], self._device)
        else:
            chosen = self._resident[send(choice.rows, self._device)]
        return torch.where(mirrored, chosen.flip(-1), chosen)


def to_network(images: Images | UInt8[Tensor, "n 3 h w"]) -> Float32[Tensor, "n 3 h w"]:
    """Return `images`, wherever they are, as the networks take them: 0 to 255 as [-1, 1]."""
    pixels = torch.as_tensor(images).float()
    half = torch.full((), 127.5, device=pixels.device)  # by a number CUDA would not quite divide
    return (pixels / half - 1).contiguous(memory_format=torch.channels_last)


def _fits(images: ImageRows, device: torch.device) -> bool:
    if device.type == "cpu":
        return False
    whole = torch.cuda.get_device_properties(device).total_memory
    return len(images) * images[:1].nbytes <= whole // SHARE


def _copy(images: ImageRows, device: torch.device) -> UInt8[Tensor, "n 3 s s"]:
    """Return all `images` on `device`, read a piece at a time."""
    copied = torch.empty((len(images), *images[:1].shape[1:]), dtype=torch.uint8, device=device)
    count = max(PIECE // images[:1].nbytes, 1)
    for start in range(0, len(images), count):
        piece = slice(start, start + count)
        copied[piece] = send(np.array(images[piece]), device)
    return copied
