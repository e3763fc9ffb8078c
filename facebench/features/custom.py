"""A user's own network, named on the command line as ``MODULE:FUNCTION``.

``FUNCTION(device)`` returns what maps images, ``uint8`` (n, 3, h, w) on that device, to features,
real numbers (n, d); each image's features must depend on that image alone. A torch module is moved
to the device and set to evaluation. Resizing and normalising are its business::

    def make(device):                       # my_module.py, used as my_module:make
        return lambda images: images.float().mean((2, 3))

The module is looked for among installed ones, then in the current folder.
"""

import re
from functools import cache
from hashlib import sha256
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from facebench.errors import BadInput
from facebench.features.arithmetic import Precision
from facebench.features.extractor import Record, in_batches
from facebench.usercode import import_function, sources_digest

_NAME = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", re.ASCII)  # safe in keys of CSV and JSON


class CustomFeatures:
    """Features by code that is not facebench's, checked for shape and numbers."""

    layer = ""

    def __init__(self, name: str, device: str, precision: Precision = "fp32"):
        """Import the module of `name`, "module:function", and call the function with `device`."""
        if not _NAME.fullmatch(name):
            raise BadInput(f"{name!r} names no extractor of yours: give MODULE:FUNCTION.")
        make = import_function(name)
        self.weights = {name: _source_digest(name.partition(":")[0])}
        network = make(device)
        if not callable(network):
            raise BadInput(f"{name} returned {network!r}, where a network to call is needed.")
        self.name = name
        self.notes: tuple[str, ...] = (f"{name} is the user's own extractor",)
        self.arithmetic: Precision = precision
        self._device = device
        if isinstance(network, nn.Module):
            network = network.to(device).eval()
            self.weights[f"{name} weights"] = _state_digest(network)
        self._user_network = network

    def extract(self, images: UInt8[np.ndarray, "n 3 h w"], batch_size: int) -> Record:
        """Return ``features`` of shape (n, d), float32."""
        (features,) = in_batches(self._network, images, batch_size, self._device, self.arithmetic)
        return {"features": features}

    def _network(self, images: UInt8[Tensor, "n 3 h w"]) -> tuple[Float[Tensor, "n d"]]:
        features: Any = self._user_network(images)
        if not isinstance(features, Tensor) or features.is_complex():
            raise BadInput(f"{self.name} gave no tensor of real numbers: mend it.")
        if features.ndim != 2 or len(features) != len(images):
            raise BadInput(
                f"{self.name} gave the shape {tuple(features.shape)} for {len(images)} images, "
                f"where ({len(images)}, d) is needed."
            )
        if not features.isfinite().all():
            raise BadInput(f"{self.name} gave features that are NaN or infinite: mend it.")
        return (features.float(),)


@cache
def _source_digest(module: str) -> str:
    """Return a digest of the sources of what was imported: edits count from the next process on."""
    digest = sources_digest(module)
    if not digest:
        raise BadInput(f"{module} has no source file: name a module of your own.")
    return digest


def _state_digest(network: nn.Module) -> str:
    """Return a digest of parameters and buffers, wherever they were loaded from."""
    digest = sha256()
    for name, tensor in network.state_dict().items():
        if isinstance(tensor, Tensor):
            data = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(data.numpy().data)
    return digest.hexdigest()
