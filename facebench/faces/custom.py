"""A user's own face model, named as ``MODULE:FUNCTION`` or ``FILE.py:FUNCTION``.

``FUNCTION(device)`` returns what maps images, ``uint8`` (n, 3, h, w) on that device, to a mapping
of four tensors, see :class:`facebench.faces.extractor.FaceExtractor`; what it finds in an image
must depend on that image alone. A torch module is moved to the device and set to evaluation::

    def make(device):                       # my_module.py, used as my_module:make
        def look(images):
            found, scores, points = my_detector(images)
            return {"counts": found, "confidence": scores, "points": points,
                    "embedding": my_embedding(images, points)}
        return look

Where it finds no face, the rest of that image's row may be anything. Lengths of embeddings do not
count.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import numpy as np
import torch
from torch import Tensor

from facebench import synth
from facebench.errors import BadInput
from facebench.faces.extractor import FaceExtractor
from facebench.features.extractor import ImageBatch, Tensors, in_batches
from facebench.features.user_network import TOLERANCE, open_network

_NAMES = ("counts", "confidence", "points", "embedding")
_FARTHEST = 2.0
"""Points may lie outside the picture, but hardly as far: then they are no shares of its sides."""


class CustomFaces(FaceExtractor):
    """Faces by code that is not facebench's, checked for shape and numbers."""

    arithmetic = "fp32"

    def __init__(self, code: str, device: str):
        """Import the module or file of `code`, and call the function with `device`."""
        network = open_network(code, device)
        self.name = f"faces-{network.name}"
        self.notes = (f"{network.name} is the user's own face model",)
        self.device = device
        self._user_network, self._code = network.run, network.name
        self._dimensions: int | str = "d"  # of the embedding, until that is known
        self.weights = {**network.digests, f"{network.name} faces": self._shown()}

    def compute(self, images: ImageBatch, batch_size: int) -> Tensors:
        """Return what is found in `images`, see :class:`FaceExtractor`."""
        counts, *of_faces = in_batches(self._network, images, batch_size)
        return dict(zip(_NAMES, (counts.to(torch.int32), *of_faces), strict=True))

    def _network(self, images: Tensor) -> tuple[Tensor, ...]:
        answer: Any = self._user_network(images.clone())  # which it may overwrite
        if not isinstance(answer, Mapping) or not answer.keys() >= set(_NAMES):
            raise self._bad(f"no mapping of {', '.join(_NAMES)}")
        n = len(images)
        shapes = (n,), (n,), (n, 3, 2), (n, self._dimensions)
        counts, *of_faces = (
            self._numbers(name, answer[name], shape)
            for name, shape in zip(_NAMES, shapes, strict=True)
        )
        if not (counts.isfinite() & (counts >= 0) & (counts == counts.round())).all():
            raise self._bad("counts other than 0, 1, 2, …")
        is_found = counts > 0
        self._check_faces(*(values[is_found] for values in of_faces))
        confidence, points, embedding = of_faces
        unit = embedding / torch.linalg.vector_norm(embedding, dim=1, keepdim=True)
        return counts, *(_where(is_found, values) for values in (confidence, points, unit))

    def _numbers(self, name: str, values: Any, shape: tuple[int | str, ...]) -> Tensor:
        """Return `values` in float32 if they have `shape`, where a letter is any number."""
        if not isinstance(values, Tensor) or values.is_complex():
            raise self._bad(f"no tensor of real numbers as {name}")
        wanted = [
            there if isinstance(side, str) else side
            for there, side in zip(values.shape, shape, strict=False)
        ]
        if list(values.shape) != wanted or len(wanted) != len(shape):
            wish = ", ".join(map(str, shape))
            raise self._bad(f"{name} of the shape {tuple(values.shape)}, where ({wish}) is needed")
        return values.float()

    def _check_faces(self, confidence: Tensor, points: Tensor, embedding: Tensor) -> None:
        """Refuse numbers that no face can have."""
        for name, values in zip(_NAMES[1:], (confidence, points, embedding), strict=True):
            if not values.isfinite().all():
                raise self._bad(f"{name} of a face that are NaN or infinite")
        if (points.abs() > _FARTHEST).any():
            raise self._bad("points far outside the picture, where shares of its sides are needed")
        if (embedding == 0).all(1).any():
            raise self._bad("an embedding of nothing but zeros")

    def _bad(self, what: str) -> BadInput:
        return BadInput(f"{self._code} gave {what}: mend it.")

    def _shown(self) -> str:
        """Return a digest of what it finds in two painted faces: whatever it reads, shows there."""
        images = synth.render([0, 1])
        both = self.extract(images, 2)
        self._dimensions = both["embedding"].shape[1]
        alone = self.extract(images, 1)
        for name, values in both.items():
            least = TOLERANCE * np.nanmax(np.abs(values), initial=0)
            if not np.allclose(values, alone[name], TOLERANCE, least, equal_nan=True):
                raise BadInput(
                    f"{self._code} finds other {name} in an image when it is alone than beside "
                    "another: each image's must depend on it alone, so use no statistics of the "
                    "batch."
                )
        return sha256(b"".join(values.tobytes() for values in both.values())).hexdigest()


def _where(is_found: Tensor, values: Tensor) -> Tensor:
    """Return `values`, NaN where nothing was found."""
    is_there = is_found.reshape(-1, *[1] * (values.ndim - 1))
    return torch.where(is_there, values, torch.nan)
