"""The extractor contract, and what extractors share."""

from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import UInt8
from torch import nn

from facebench.errors import BadInput
from facebench.numerics.allocator import kept_memory
from facebench.numerics.precision import Precision, arithmetic
from facebench.weights import WeightFile

Record = dict[str, np.ndarray]
"""Named arrays, one row per image or, for moments, one row per chunk; rows are concatenated."""


@runtime_checkable
class Extractor(Protocol):
    """A network with its preprocessing."""

    name: str
    """As on the command line and in the protocol, e.g. "inception@768"; features are kept by it."""
    layer: str
    """The network's own name for the layer whose output the features are; "" where it has none."""
    weights: dict[str, str]
    """Each weight file's name and sha256."""
    notes: tuple[str, ...]
    """What a reader of the numbers must know, e.g. that weights were taken on trust."""

    @property
    def arithmetic(self) -> str:
        """How it computes, as far as the last digits depend on it: "fp32", "bf16 compiled"."""
        ...

    def extract(self, images: UInt8[np.ndarray, "n 3 h w"], batch_size: int) -> Record:
        """Return the features of `images`, `batch_size` at a time."""
        ...


def batches(
    images: UInt8[np.ndarray, "n 3 h w"], batch_size: int, device: str
) -> Iterator[torch.Tensor]:
    """Yield `images` in batches on `device`, still ``uint8``: a byte a value crosses the bus."""
    for start in range(0, len(images), batch_size):
        batch = np.array(images[start : start + batch_size])  # torch wants memory it may write to
        yield torch.from_numpy(batch).to(device)


def in_batches(
    network: Callable[[torch.Tensor], tuple[torch.Tensor, ...]],
    images: UInt8[np.ndarray, "n 3 h w"],
    batch_size: int,
    device: str,
    precision: Precision = "fp32",
) -> list[np.ndarray]:
    """Return each of `network`'s outputs over all images, computed in `precision`.

    They leave the device together: fetching each batch's would keep a GPU waiting for the next.
    """
    with torch.inference_mode(), arithmetic(precision, device), kept_memory():
        outputs = [network(batch) for batch in batches(images, batch_size, device)]
        return [torch.cat(parts).float().cpu().numpy() for parts in zip(*outputs, strict=True)]


def state_digest(network: nn.Module) -> str:
    """Return a digest of parameters and buffers, wherever they were loaded from."""
    digest = sha256()
    for name, tensor in network.state_dict().items():
        data = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(data.numpy().data)
    return digest.hexdigest()


def load_state(file: WeightFile) -> dict[str, torch.Tensor]:
    """Return the tensors of a weight file; nothing in it is executed."""
    try:
        state = torch.load(file.path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged or hostile file provokes
        raise BadInput(
            f"{file.path} is damaged or holds more than tensors: "
            "give a state dict as torch.save writes it."
        ) from error
    if not isinstance(state, dict) or not all(_is_named_tensor(item) for item in state.items()):
        raise BadInput(f"{file.path} does not hold named tensors: give a network's state dict.")
    return state


def _is_named_tensor(item: tuple[object, object]) -> bool:
    return isinstance(item[0], str) and isinstance(item[1], torch.Tensor)
