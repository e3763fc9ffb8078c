"""Arrays to a device and back without waiting for it: on a GPU, through pinned memory."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor


def upload(parts: Sequence[np.ndarray], device: str) -> Tensor:
    """Return `parts`, one after another, as one tensor on `device`, which nothing else shares.

    A GPU is not waited for: the copy is on its way, before whatever is asked of it next. torch
    keeps the pinned memory until the copy has arrived.
    """
    if not device.startswith("cuda"):
        return torch.from_numpy(np.concatenate(parts)).to(device)
    shape = (sum(map(len, parts)), *parts[0].shape[1:])
    dtype = torch.from_numpy(np.empty(0, parts[0].dtype)).dtype
    pinned = torch.empty(shape, dtype=dtype, pin_memory=True)
    np.concatenate(parts, out=pinned.numpy())
    return pinned.to(device, non_blocking=True)


def download(tensors: Mapping[str, Tensor]) -> Callable[[], dict[str, np.ndarray]]:
    """Ask for `tensors` of one device, and return what waits for them and gives them as arrays.

    Any thread may wait: what the GPU is asked next does not delay them.
    """
    fetched = {name: tensor.to("cpu", non_blocking=True) for name, tensor in tensors.items()}
    arrived = None
    if any(tensor.is_cuda for tensor in tensors.values()):
        arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
        arrived.record()

    def wait() -> dict[str, np.ndarray]:
        if arrived:
            arrived.synchronize()
        return {name: tensor.numpy() for name, tensor in fetched.items()}

    return wait
