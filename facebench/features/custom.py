"""A user's own network, named on the command line as ``MODULE:FUNCTION`` or ``FILE.py:FUNCTION``.

``FUNCTION(device)`` returns what maps images, ``uint8`` (n, 3, h, w) on that device, to features,
real numbers (n, d); each image's features must depend on that image alone. A torch module is moved
to the device and set to evaluation. Resizing and normalising are its business::

    def make(device):                       # my_module.py, used as my_module:make
        return lambda images: images.float().mean((2, 3))

The module is looked for among installed ones, then in the current folder; of a file, features are
called by its name without folder and suffix.
"""

import os
import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from facebench.errors import BadInput
from facebench.features.extractor import (
    Extractor,
    ImageBatch,
    Tensors,
    in_batches,
    state_digest,
)
from facebench.files import file_digests
from facebench.numerics.precision import Precision
from facebench.plugins.dependencies import Reads
from facebench.plugins.user_code import call, import_function, sources_digest

_SIDE, _TOLERANCE = 64, 0.02  # half precision rounds by less
_NAME = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", re.ASCII)  # safe in keys of CSV and JSON


class CustomFeatures(Extractor):
    """Features by code that is not facebench's, checked for shape and numbers."""

    layer = ""

    def __init__(self, code: str, device: str, precision: Precision = "fp32"):
        """Import the module or file of `code`, and call the function with `device`."""
        name = _name(code)
        with _READS.setdefault(code, Reads()) as reads:
            network = call(code, import_function(code), device)
        if not callable(network):
            raise BadInput(f"{name} returned {network!r}, where a network to call is needed.")
        self.name = name
        self.notes: tuple[str, ...] = (f"{name} is the user's own extractor",)
        self.arithmetic = self._precision = precision
        self.device = device
        self.weights = {name: _digest(code, reads)}
        if isinstance(network, nn.Module):
            network = network.to(device).eval()
            self.weights[f"{name} weights"] = state_digest(network)
        self._user_network = network
        self.weights[f"{name} features"] = self._shown()

    def compute(self, images: ImageBatch, batch_size: int) -> Tensors:
        """Return ``features`` of shape (n, d), float32."""
        (features,) = in_batches(self._network, images, batch_size, self._precision)
        return {"features": features}

    def _network(self, images: UInt8[Tensor, "n 3 h w"]) -> tuple[Float[Tensor, "n d"]]:
        features: Any = self._user_network(images.clone())  # which it may overwrite
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

    def _shown(self) -> str:
        """Return a digest of what it makes of two images: whatever it reads, shows there."""
        rng = np.random.Generator(np.random.Philox(key=0))
        images = rng.integers(0, 256, (2, 3, _SIDE, _SIDE), np.uint8)
        both, alone = (self.extract(images, size)["features"] for size in (2, 1))
        if not np.allclose(both, alone, rtol=_TOLERANCE, atol=_TOLERANCE * np.abs(both).max()):
            raise BadInput(
                f"{self.name} gives an image other features when it is alone than beside another: "
                "each image's must depend on it alone, so use no statistics of the batch."
            )
        return sha256(both.tobytes()).hexdigest()


def _name(code: str) -> str:
    """Return what features are called by: names of files go into keys and column names."""
    home, _, function = code.rpartition(":")
    name = f"{Path(home).stem if home.endswith('.py') else home}:{function}"
    if not _NAME.fullmatch(name):
        raise BadInput(
            f"{code!r} names no extractor of yours: give MODULE:FUNCTION or FILE.py:FUNCTION, of "
            "letters, digits and underscores."
        )
    return name


def _digest(code: str, reads: Reads) -> str:
    """Return a digest of the module's sources and of all that it read and loaded."""
    home = code.rpartition(":")[0]
    is_file = home.endswith(".py")
    named = {os.path.abspath(Path(home).expanduser())} if is_file else set()
    sources = "" if is_file else sources_digest(home)
    digests = [sources, *file_digests(reads.files() | named).values()]
    return sha256("\0".join(digests).encode()).hexdigest()


_READS: dict[str, Reads] = {}
"""Kept by name: a module that is loaded already reads its files no more."""
