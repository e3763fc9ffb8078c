"""On which device metrics compute what they are given as NumPy arrays; tensors stay where they are.

Not torch's own default device, for that would reach into whatever a metric of somebody else's does.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from facebench.metrics.double_precision import CPU, faster_device

T = TypeVar("T")
_device: ContextVar[torch.device] = ContextVar("the device of metrics", default=CPU)


@contextmanager
def computing_on(device: str | torch.device) -> Iterator[None]:
    """Compute what metrics make of NumPy arrays on `device` if it is CUDA's, else on the CPU."""
    place = torch.device(device)
    token = _device.set(place if place.type == "cuda" else CPU)
    try:
        yield
    finally:
        _device.reset(token)
        if place.type == "cuda":
            torch.cuda.empty_cache()  # a sampler's process may need what torch would keep


def compute_on(device: str, compute: Callable[[], T]) -> T:
    """Return what `compute` does on `device`, or on the CPU where there is no room for it."""
    try:
        with computing_on(device):
            return compute()
    except torch.OutOfMemoryError:
        with computing_on("cpu"):
            return compute()


def device_of(values: np.ndarray | Tensor, dtype: torch.dtype) -> torch.device:
    """Return where `values` are computed in `dtype`."""
    if isinstance(values, Tensor):
        return values.device
    place = _device.get()
    return faster_device(place) if place != CPU and dtype == torch.float64 else place
