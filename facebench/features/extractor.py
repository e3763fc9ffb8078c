"""The extractor contract, and what extractors share."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from facebench.errors import BadInput
from facebench.numerics.allocator import kept_memory
from facebench.numerics.precision import Precision, arithmetic
from facebench.numerics.transfer import download, send
from facebench.weights import WeightFile

Record = dict[str, np.ndarray]
"""Named arrays whose rows are of consecutive images, see `Extractor.images_per_row`."""
Tensors = Mapping[str, Tensor]
"""A record on a device."""
ImageBatch = UInt8[Tensor, "n 3 h w"]


class Extractor(ABC):
    """A network with its preprocessing; subclasses give `compute`."""

    name: str
    """As on the command line and in the protocol, e.g. "inception@768"; features are kept by it."""
    layer: str
    """The network's own name for the layer whose output the features are; "" where it has none."""
    weights: dict[str, str]
    """Each weight file's name and sha256."""
    notes: tuple[str, ...]
    """What a reader of the numbers must know, e.g. that weights were taken on trust."""
    arithmetic: str
    """How it computes, as far as the last digits depend on it: "fp32", "bf16 compiled"."""
    device: str
    """Where it computes."""
    images_per_row = 1
    """How many images share a row of what is computed."""
    group = 1
    """How many consecutive images must be shown together."""

    @abstractmethod
    def compute(self, images: ImageBatch, batch_size: int) -> Tensors:
        """Return what the network makes of `images`, `batch_size` at a time, on its device.

        The images are there, shared with other extractors, and must stay as they are. Nothing
        waits for a GPU.
        """

    def beside(self, numbers: Sequence[int]) -> "Extractor":
        """Return the one for images that are so numbered in their set: the same for most."""
        return self

    def kept(self, rows: Tensors, first: int) -> Tensors:
        """Return what is kept of the `rows` of a chunk that begins with image number `first`."""
        return rows

    def kept_as(self, first: int) -> str:
        """Name the form in which such a chunk is kept, if there are several."""
        return ""

    def extract(self, images: UInt8[np.ndarray, "n 3 h w"], batch_size: int) -> Record:
        """Return what the network makes of `images`, as arrays."""
        return download(self.compute(send(np.array(images), self.device), batch_size))()


def in_batches(
    network: Callable[[Tensor], tuple[Tensor, ...]],
    images: ImageBatch,
    batch_size: int,
    precision: Precision = "fp32",
) -> list[Tensor]:
    """Return each of `network`'s outputs over all images, computed in `precision`."""
    device = str(images.device)
    with torch.inference_mode(), arithmetic(precision, device), kept_memory(device):
        outputs = [network(batch) for batch in torch.split(images, batch_size)]
        return [torch.cat(parts).float() for parts in zip(*outputs, strict=True)]


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
    name, tensor = item
    if not (isinstance(name, str) and isinstance(tensor, torch.Tensor)):
        return False
    return tensor.layout == torch.strided and not tensor.is_meta  # which has no values
