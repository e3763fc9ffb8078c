"""Pairs as training takes them: held back alike, mirrored and shifted alike."""

import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from facebench.data.dataset import Dataset
from facebench.errors import BadInput
from facebench.numerics.transfer import send
from facebench.pairs.pair_set import PairSet
from facebench.sampler import Images
from facebench.training.images import PlacedImages
from facebench.training.learner import Choice, ImageRows


class PairRows(NamedTuple):
    """Some sources, and as many targets."""

    sources: ImageRows
    targets: ImageRows


class Pairs:
    """Pairs to learn, that batches are taken of on `device`.

    A shift goes by whole pixels of both, so of sources that are four times smaller by one and of
    their targets by four; `most_shift` is the largest one, of such steps.
    """

    def __init__(self, rows: PairRows, jitter: float, device: torch.device):
        """Place the pairs; `jitter` is how far they may be shifted, as a part of their height."""
        self._sources, self._targets = (PlacedImages(images, device) for images in rows)
        heights = [images[:1].shape[-1] for images in rows]
        self._steps = [height // math.gcd(*heights) for height in heights]
        self.most_shift = int(jitter * heights[1] / self._steps[1])
        self._device = device

    def __len__(self) -> int:
        return len(self._targets)

    def take(
        self, choice: Choice, shifts: Int64[np.ndarray, "n 2"]
    ) -> tuple[UInt8[Tensor, "n 3 h h"], UInt8[Tensor, "n 3 s s"]]:
        """Return sources and targets of `choice`, each pair mirrored and shifted as one."""
        moves = send(shifts, self._device)
        first, second = (
            shifted(images.take(choice), moves * step)
            for images, step in zip((self._sources, self._targets), self._steps, strict=True)
        )
        return first, second


def shifted(images: UInt8[Tensor, "n 3 s s"], by: Int64[Tensor, "n 2"]) -> UInt8[Tensor, "n 3 s s"]:
    """Return each image moved up and to the left by so many pixels, its border repeated."""
    count, _, height, width = images.shape
    rows, columns = (
        (torch.arange(length, device=by.device) + by[:, axis : axis + 1]).clamp(0, length - 1)
        for axis, length in enumerate((height, width))
    )
    which = torch.arange(count, device=by.device)[:, None, None]
    moved = images.permute(0, 2, 3, 1)[which, rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2)


def targets_of(pairs: PairSet, sizes: list[int]) -> Dataset:
    """Return the targets as the data set of a run, under the digest of the pairs.

    Raises:
        BadInput: there are fewer than two, or sources or targets are of a size that the U-Net does
            not take; `sizes` are those of targets that it does.
    """
    if len(pairs) < 2:
        raise BadInput(f"{pairs.folder} has {len(pairs)} pairs to learn; at least 2 are needed.")
    (height, width), target = pairs.sources.shape[2:], pairs.targets.shape[2:]
    if target[0] != target[1] or target[0] not in sizes:
        raise BadInput(
            f"{pairs.folder} has targets of {target[1]}×{target[0]} pixels, where the U-Net needs "
            f"squares of a power of two from {sizes[0]} to {sizes[-1]}: make the pairs of a data "
            "set that is prepared at such a --size."
        )
    if height != width:
        raise BadInput(
            f"{pairs.folder} has sources of {width}×{height} pixels, where the U-Net needs "
            "squares: crop them."
        )
    return Dataset(pairs.folder, pairs.targets, {"digest": pairs.digest}, "train")


def triples(
    sources: Images, answers: Images, targets: Images
) -> UInt8[np.ndarray, "three_n 3 h w"]:
    """Return source, answer and target of each pair one after another, all of one size."""
    return np.stack([sources, answers, targets], 1).reshape(-1, *targets.shape[1:])
