"""Images of a model that somebody's program is training, in that program."""

from collections.abc import Callable
from typing import Any

import numpy as np

from facebench.errors import BadInput
from facebench.sampler import Images, Sampler, checked
from facebench.training.recorder import SCORE_SEEDS

_AT_ONCE = 64

Sample = Callable[[list[int]], Any]


class GuestSampler:
    """The user's sampler, called without a trace and held to the contract."""

    def __init__(self, sample: Any, shape: tuple[int, ...]):
        """Take a function of seeds, or an object that has one; `shape` is that of all images."""
        self._sample, self._shape = _function(sample), shape

    def images(self) -> Images:
        """Return the images of the same seeds every time, as the model is now.

        Raises:
            BadInput: the answer is none that a sampler may give.
        """
        import torch

        seeds = list(range(SCORE_SEEDS.start, SCORE_SEEDS.start + self._shape[0]))
        parts = [seeds[i : i + _AT_ONCE] for i in range(0, len(seeds), _AT_ONCE)]
        # Not inference_mode, of which tensors that are made here for good could not be trained.
        with torch.no_grad():
            return np.concatenate([self._batch(part) for part in parts])

    def _batch(self, seeds: list[int]) -> Images:
        answer = self._sample(seeds)
        array = np.asarray(answer.detach().cpu() if hasattr(answer, "detach") else answer)
        try:
            images = checked(array, len(seeds))
        except ValueError as error:
            raise BadInput(
                f"The sampler breaks its contract: {error}. Round values in -1 to 1 by "
                "facebench.sampler.tensor_to_uint8(images, -1, 1)."
            ) from error
        (height, width), (real_height, real_width) = images.shape[2:], self._shape[2:]
        if (height, width) != (real_height, real_width):
            raise BadInput(
                f"The sampler's images are of {width}×{height} pixels, and the reference's of "
                f"{real_width}×{real_height}: give a reference of the model's size."
            )
        return images


def _function(sample: Any) -> Sample:
    if isinstance(sample, type):
        raise BadInput(f"{sample.__name__} is a class: give an object of it, {sample.__name__}(…).")
    if isinstance(sample, Sampler):
        return sample.sample
    if callable(sample) and not hasattr(sample, "state_dict"):
        return sample
    raise BadInput(
        f"{type(sample).__name__} is not a sampler: give a function of a list of seeds that "
        "returns uint8 images (n, 3, height, width), or an object with such a sample(seeds)."
    )
