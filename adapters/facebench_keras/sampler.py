"""``keras:``: what Keras has saved over the years, without running what a file brings.

- ``.keras``: of Keras 3, after its architecture was vetted, in safe mode; of Keras 2, translated.
- ``.h5`` of a full model, Keras 2 or 3: the vetted architecture, then the weights by layer.
- a folder with one architecture ``*.json`` and one weights-only ``*.h5``.
- a SavedModel folder: a TensorFlow graph, which runs, after its operations were vetted.

``latent=pca`` is for decoders of autoencoders that are sampled from a PCA of their latent space:
z = mean + Σ nᵢ·eigenvalueᵢ·eigenvectorᵢ, n ~ N(0, I), with the three as JSON lists beside the
model, in the folder that is named.
"""

from collections.abc import Sequence
from pathlib import Path
from zipfile import is_zipfile

import numpy as np
from jaxtyping import Float32

from facebench.errors import BadInput
from facebench.files import read_json
from facebench.sampler import latents
from facebench_keras.architecture import load_archive
from facebench_keras.hdf5 import load_hdf5
from facebench_keras.parts import chosen, graph_of
from facebench_keras.saved_model import load_saved_model
from facebench_models.kinds import KERAS, TF_CHECKPOINT, kind_of
from facebench_models.network import Graph, GraphSampler, reading, refuse_others

_SUFFIXES = (".keras", ".h5", ".hdf5")
_PCA_FILES = {"mean": "mean.json", "values": "eigenValues.json", "vectors": "eigenVectors.json"}


class KerasSampler(GraphSampler):
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
        self._part = part
        self._pca = _LatentPCA(path) if latent == "pca" else None
        plain = "normal" if self._pca else latent
        super().__init__(model_file(path), latent=plain, size=size, range=range, layout=layout)
        if path.is_dir():
            self.files = ()  # whatever lies in the folder that was named

    def open(self, path: Path) -> Graph:
        """Return the model, or its part, with the files beside weights that say how it is built."""
        refuse_others(path, KERAS)
        with reading(path, KERAS):
            if path.is_dir():
                return load_saved_model(path)
            model, files = (load_archive(path), ()) if is_zipfile(path) else load_hdf5(path)
            return graph_of(chosen(path, model, self._part), files)

    def draw(self, seeds: Sequence[int]) -> Float32[np.ndarray, "n d"]:
        """Return the latents of `seeds`."""
        return self._pca.draw(seeds, self.latent_dim) if self._pca else super().draw(seeds)


class _LatentPCA:
    """The Gaussian of an autoencoder's codes in their principal directions."""

    def __init__(self, folder: Path):
        if not folder.is_dir():
            raise BadInput(f"latent=pca looks for {', '.join(_PCA_FILES.values())}: name a folder.")
        with reading(folder, what="a folder with a PCA of latents"):
            parts = {k: np.asarray(read_json(folder / f), float) for k, f in _PCA_FILES.items()}
        self._folder, self._mean = folder, parts["mean"]
        self._scaled = parts["values"][:, None] * parts["vectors"]
        if self._scaled.shape[1:] != self._mean.shape or not np.isfinite(self._scaled).all():
            raise BadInput(f"{folder}: mean, eigenvalues and eigenvectors do not fit each other.")

    def draw(self, seeds: Sequence[int], dim: int) -> Float32[np.ndarray, "n d"]:
        if len(self._mean) != dim:
            raise BadInput(
                f"{self._folder}: its PCA has {len(self._mean)} latents, the model {dim}."
            )
        n = latents(seeds, len(self._scaled))
        rows = [self._mean + row @ self._scaled for row in n]  # row by row: rounds as alone
        return np.asarray(rows, np.float32).reshape(len(n), dim)


def model_file(path: Path) -> Path:
    """Return the one model file of a folder, or the folder where it is a model as a whole."""
    if not path.is_dir() or kind_of(path) is KERAS:
        return path
    files = sorted(path.iterdir())
    found = [file for file in files if file.suffix in _SUFFIXES]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(file.name for file in found)
        raise BadInput(f"{path} holds several Keras models: name one of {names}.")
    for file in files:
        if file.is_file() and kind_of(file) is TF_CHECKPOINT:
            refuse_others(file, KERAS)
    raise BadInput(f"{path} holds no Keras model: neither .keras nor .h5 nor saved_model.pb.")
