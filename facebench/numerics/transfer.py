"""Arrays to a device and back without waiting for it: on a GPU, through pinned memory."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor


def send(values: np.ndarray | Tensor, device: torch.device | str) -> Tensor:
    """Return `values` on `device`; the program goes on while they are on their way to a GPU.

    A copy from ordinary memory waits for all that the GPU was asked before; one from pinned memory
    does not, and torch keeps that until the copy has arrived.
    """
    tensor = torch.from_numpy(values) if isinstance(values, np.ndarray) else values
    if torch.device(device).type != "cuda" or tensor.is_cuda:
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def download(tensors: Mapping[str, Tensor]) -> Callable[[], dict[str, np.ndarray]]:
    """Ask for `tensors` of one device, and return what waits for them and gives them as arrays.

    Any thread may wait: what the GPU is asked next does not delay them.
    """
    fetched = {name: tensor.to("cpu", non_blocking=True) for name, tensor in tensors.items()}
    arrived = None
    if card := next((tensor.device for tensor in tensors.values() if tensor.is_cuda), None):
        arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
        arrived.record(torch.cuda.current_stream(card))  # of this card, whichever is the default

    def wait() -> dict[str, np.ndarray]:
        if arrived:
            arrived.synchronize()
        return {name: tensor.numpy() for name, tensor in fetched.items()}

    return wait
