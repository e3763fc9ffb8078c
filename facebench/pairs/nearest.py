"""The mean of the nearest training faces: how far one comes without learning anything."""

from collections.abc import Sequence

import numpy as np
import torch

from facebench.errors import BadInput
from facebench.pairs.pair_set import PairSet
from facebench.sampler import Images, to_uint8
from facebench.translator import Answers

NEIGHBOURS = 5
_BLOCK = 1 << 26
"""Numbers of one block of distances, at most: 256 MB."""


class NearestMean:
    """k-nearest-neighbour regression (Fix & Hodges 1951), by the Euclidean distance of pixels."""

    def __init__(self, train: PairSet, k: int = NEIGHBOURS):
        """Answer with the mean target of the `k` training sources that are nearest."""
        self._train, self._k = train, min(k, len(train))
        self._sources = _points(train.sources)

    def translate(self, sources: Images, seeds: Sequence[int]) -> Answers:
        """Return a mean for each source; the seeds are left aside.

        Raises:
            BadInput: for sources of another size than the training sources'.
        """
        if sources.shape[1:] != self._train.sources.shape[1:]:
            ours, theirs = (f"{s[3]}×{s[2]}" for s in (self._train.sources.shape, sources.shape))
            raise BadInput(f"The sources are of {theirs} pixels, and the training ones of {ours}.")
        rows = max(1, _BLOCK // len(self._train))
        return np.concatenate([self._means(part) for part in _split(sources, rows)])

    def _means(self, sources: Images) -> Answers:
        way = "donot_use_mm_for_euclid_dist"  # which rounds alike whatever else is in the block
        distances = torch.cdist(_points(sources), self._sources, compute_mode=way)
        nearest = distances.topk(self._k, largest=False).indices.numpy()
        means = self._train.targets[nearest].mean(1, dtype=np.float64)
        return to_uint8(means, 0, 255)


def _points(images: Images) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(images)).flatten(1).float()


def _split(images: Images, rows: int) -> list[Images]:
    return [images[start : start + rows] for start in range(0, len(images), rows)]
