"""``keras:``: what Keras has saved over the years, without running what a file brings.

- ``.keras``: of Keras 3, after its architecture was vetted, in safe mode; of Keras 2, translated.
- ``.h5`` of a full model, Keras 2 or 3: the vetted architecture, then the weights by layer.
- a folder with one architecture ``*.json`` and one weights-only ``*.h5``.
- a SavedModel folder: a TensorFlow graph, which runs, after its operations were vetted.

``latent=pca`` is for decoders of autoencoders that are sampled from a PCA of their latent space:
z = mean + Σ nᵢ·eigenvalueᵢ·eigenvectorᵢ, n ~ N(0, I), with the three as JSON lists beside the
model, in the folder that is named.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from facebench.errors import BadInput
from facebench.files import read_json
from facebench.sampler import latents
from facebench.samplers.pixels import Pixels
from facebench_keras.architecture import load_archive
from facebench_keras.forms import is_hdf5, model_file
from facebench_keras.hdf5 import load_full_h5, load_parts
from facebench_keras.parts import chosen, function_of
from facebench_keras.saved_model import load_saved_model
from facebench_models.network import NetworkSampler, latent_shape, reading

_PCA_FILES = {"mean": "mean.json", "values": "eigenValues.json", "vectors": "eigenVectors.json"}


class KerasSampler(NetworkSampler):
    """A generator or decoder that Keras saved."""

    def __init__(
        self,
        path: Path,
        *,
        latent: str = "normal",
        size: str = "",
        range: str = "tanh",
        layout: str = "NHWC",
        part: str = "",
    ):
        model = model_file(path)
        with reading(model, "a Keras model"):
            network, known, beside = _load(model, part)
        shape = latent_shape(size, known, model)
        self._pca = _LatentPCA(path) if latent == "pca" else None
        if self._pca and self._pca.dim != shape[-1]:
            raise BadInput(f"{path}: its PCA has {self._pca.dim} latents, the model {shape[-1]}.")
        plain = "normal" if self._pca else latent
        files = () if path.is_dir() else beside
        super().__init__(network, shape, Pixels(range, layout), plain, files=files)

    def draw(self, seeds: Sequence[int]) -> Float32[np.ndarray, "n d"]:
        """Return the latents of `seeds`."""
        return self._pca.draw(seeds) if self._pca else super().draw(seeds)


class _LatentPCA:
    """The Gaussian of an autoencoder's codes in their principal directions."""

    def __init__(self, folder: Path):
        if not folder.is_dir():
            raise BadInput(f"latent=pca looks for {', '.join(_PCA_FILES.values())}: name a folder.")
        with reading(folder, "a folder with a PCA of latents"):
            parts = {k: np.asarray(read_json(folder / f), float) for k, f in _PCA_FILES.items()}
        self._mean = parts["mean"]
        self._scaled = parts["values"][:, None] * parts["vectors"]
        if self._scaled.shape[1:] != self._mean.shape or not np.isfinite(self._scaled).all():
            raise BadInput(f"{folder}: mean, eigenvalues and eigenvectors do not fit each other.")
        self.dim = len(self._mean)

    def draw(self, seeds: Sequence[int]) -> Float32[np.ndarray, "n d"]:
        n = latents(seeds, len(self._scaled))
        rows = [self._mean + row @ self._scaled for row in n]  # row by row: rounds as alone
        return np.asarray(rows, np.float32).reshape(len(n), self.dim)


def _load(
    path: Path, part: str = ""
) -> tuple[Callable[[np.ndarray], np.ndarray], Sequence[Any] | None, tuple[Path, ...]]:
    """Return a network, the shape of its latents if the file says it, and the files beside it."""
    if path.is_dir():
        return *load_saved_model(path), ()
    beside: tuple[Path, ...] = ()
    if not is_hdf5(path):
        model = load_archive(path)
    elif (model := load_full_h5(path)) is None:
        model, beside = load_parts(path)
    network = chosen(path, model, part)
    return function_of(network), network.inputs[0].shape[1:], beside
