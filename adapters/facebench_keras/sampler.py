"""``keras:``: what Keras has saved over the years, without running what a file brings.

- ``.keras``: of Keras 3, after its architecture was vetted, in safe mode; of Keras 2, translated.
- ``.h5`` of a full model, Keras 2 or 3: the vetted architecture, then the weights by layer.
- a folder with one architecture ``*.json`` and one weights-only ``*.h5``.
- a SavedModel folder: a TensorFlow graph, which runs, after its operations were vetted.

``latent=pca`` is for decoders of autoencoders that are sampled from a PCA of their latent space:
z = mean + Σ nᵢ·eigenvalueᵢ·eigenvectorᵢ, n ~ N(0, I), with the three as JSON lists beside the
model, in the folder that is named.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import numpy as np
from jaxtyping import Float32

from facebench.errors import BadInput
from facebench.files import read_json
from facebench.sampler import Images, latents
from facebench_keras.architecture import load_archive
from facebench_keras.hdf5 import load_hdf5
from facebench_keras.saved_model import load_saved_model
from facebench_keras.vetting import AS_SAVED_MODEL, keras
from facebench_models.kinds import KERAS, kind_of, reading, refuse_others
from facebench_models.network import Loaded, NetworkSampler
from facebench_models.translation import INPUTS, NetworkTranslator

_WHAT = "a Keras model (.keras, .h5, or a folder with saved_model.pb)"
_SUFFIXES = (".keras", ".h5", ".hdf5")
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
        self._part = part
        self._pca = _LatentPCA(path) if latent == "pca" else None
        plain = "normal" if self._pca else latent
        super().__init__(model_file(path), latent=plain, size=size, range=range, layout=layout)
        if path.is_dir():
            self.files = ()  # whatever lies in the folder that was named

    def load(self, path: Path) -> Loaded:
        """Return the model, or its part, with the files beside weights that say how it is built."""
        return _load(path, self._part)

    def draw(self, seeds: Sequence[int]) -> Float32[np.ndarray, "n d"]:
        """Return the latents of `seeds`."""
        return self._pca.draw(seeds, self.latent_dim) if self._pca else super().draw(seeds)


class KerasTranslator(NetworkTranslator):
    """A model that Keras saved, from sources, and perhaps noise, to pixels."""

    def __init__(
        self,
        path: Path,
        *,
        latent: str = "normal",
        size: str = "",
        range: str = "tanh",
        input_range: str = "",
        layout: str = "NHWC",
        part: str = "",
        sources: Images,
    ):
        self._part = part
        super().__init__(
            model_file(path),
            latent=latent,
            size=size,
            range=range,
            input_range=input_range,
            layout=layout,
            sources=sources,
        )
        if path.is_dir():
            self.files = ()  # whatever lies in the folder that was named

    def load(self, path: Path) -> Loaded:
        """Return the model, or its part, with the files beside weights that say how it is built."""
        return _load(path, self._part, INPUTS)


KerasSampler.translator = KerasTranslator


def _load(path: Path, part: str, most: int = 1) -> Loaded:
    refuse_others(path, KERAS, what=_WHAT)
    with reading(path, KERAS, what=_WHAT):
        if path.is_dir():
            return load_saved_model(path)
        model, files = (load_archive(path), ()) if is_zipfile(path) else load_hdf5(path)
        run, shape, *others = _as_function(_chosen(path, model, part, most))
        return Loaded(run, shape, files, others)


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
    """Return the one model file of a folder, else what was named."""
    if not path.is_dir() or kind_of(path) is KERAS:
        return path
    found = [file for file in sorted(path.iterdir()) if file.suffix in _SUFFIXES]
    if len(found) > 1:
        names = ", ".join(file.name for file in found)
        raise BadInput(f"{path} holds several Keras models: name one of {names}.")
    return found[0] if found else path


def _chosen(path: Path, model: Any, part: str, most: int = 1) -> Any:
    """Return the model, or the one within it that is called `part`, if it can make images."""
    if part:
        parts = dict(_parts(model))
        if part not in parts:
            there = "; there are: " + ", ".join(map(repr, parts)) if parts else ""
            raise BadInput(f"{path} has no model {part!r} within it{there}.")
        model = parts[part]
    if not getattr(model, "inputs", None):
        raise BadInput(f"{path} does not say what its model takes: {AS_SAVED_MODEL}.")
    if len(model.inputs) > most or len(model.outputs) != 1:
        takes = " and ".join(f"{each.name!r} {_shapes([each])}" for each in model.inputs)
        raise BadInput(
            f"{path} maps {takes} to {_shapes(model.outputs)}, where one "
            f"{'latent' if most == 1 else 'source, at most with noise,'} makes one image: "
            f"{_way_out(model)}."
        )
    if len(model.outputs[0].shape) != 4:
        raise BadInput(
            f"{path} gives {_shapes(model.outputs)}, which are not images: {_way_out(model)}."
        )
    return model


def _parts(model: Any) -> Iterator[tuple[str, Any]]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield layer.name, layer
            yield from _parts(layer)


def _shapes(tensors: Any) -> str:
    return " and ".join(f"({', '.join(map(str, ['n', *t.shape[1:]]))})" for t in tensors)


def _way_out(model: Any) -> str:
    parts = [name for name, part in _parts(model) if getattr(part, "inputs", None)]
    if parts:
        return f"+part= names the generator within it, of {', '.join(map(repr, parts))}"
    return "python: takes a function of your own that samples from it"


def _as_function(model: Any) -> tuple[Any, ...]:
    """Return a model as a function of arrays, and the shape of each that it takes."""
    # Keras 3 keeps a list of one a list.
    is_listed = not isinstance(model, keras.Sequential) and isinstance(model.input, list)

    def run(*arrays: np.ndarray) -> Any:
        return model([*arrays] if is_listed else arrays[0], training=False)

    # whatever batch it was built with
    return run, *((None, *each.shape[1:]) for each in model.inputs)
