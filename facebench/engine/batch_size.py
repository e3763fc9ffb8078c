"""How many images at a time the memory allows."""

import torch

from facebench.sandbox.limits import machine_memory

_IMAGE = 48 << 20
"""Bytes that an image takes in Inception in float32, at most."""
_SHARE = 8  # of all memory: the rest is for features, and for others
_LARGEST = {"cpu": 32, "cuda": 512}  # more are no faster


def choose_batch_size(device: str) -> int:
    """Return a power of two of images whose activations fit well into the memory of `device`.

    By the memory there is, not by what happens to be free: the next run shall take the same.
    """
    place = torch.device(device)
    fitting = max(1, _memory(place) // _SHARE // _IMAGE)
    return int(min(_LARGEST.get(place.type, 64), 1 << (fitting.bit_length() - 1)))


def _memory(place: torch.device) -> int:
    if place.type == "cuda":
        return torch.cuda.get_device_properties(place).total_memory
    return machine_memory()
