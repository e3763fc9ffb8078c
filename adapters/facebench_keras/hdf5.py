"""Keras models in HDF5: an architecture in an attribute, weights by layer. Nothing is executed."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from facebench.errors import BadInput
from facebench_keras.architecture import build, build_beside, load_weights, parse
from facebench_keras.translate import layer_name

_SAVE_WHOLE = "save the model as a whole, model.save('model.keras')"


def load_hdf5(path: Path) -> tuple[Any, tuple[Path, ...]]:
    """Return the model of an HDF5 file, and the files beside weights that say how it is built."""
    try:
        file = h5py.File(path)
    except OSError as error:
        raise BadInput(
            f"{path} is not a Keras model that can be read: it is neither a .keras file nor HDF5, "
            "or cut off; copy or download it again."
        ) from error
    with file:
        if "model_config" in file.attrs:
            config = parse(path, file.attrs["model_config"])
            model = build(path, config, _text(file.attrs.get("keras_version", "")))
            _set_weights(path, model, _inside(path, file, "model_weights"))
            return model, ()
        if {"layer_names", "layer_names0"} & set(file.attrs):
            model, files = build_beside(path)
            _set_weights(path, model, file)
            return model, files
        if not {"layers", "_layer_checkpoint_dependencies"} & set(file):
            there = ", ".join(map(repr, sorted(file)[:5])) or "nothing"
            raise BadInput(f"{path} is HDF5, but not of Keras: it holds {there}.")
    model, files = build_beside(path)
    load_weights(path, model)  # the layout of .weights.h5
    return model, files


def _set_weights(path: Path, model: Any, group: Any) -> None:
    """Give every layer the arrays that are stored under its name, in their stored order."""
    if _text(group.attrs.get("backend", "")) == "theano":
        raise BadInput(
            f"{path} was written on Theano, whose kernels are mirrored: load and save it with "
            "Keras 2.0 to 2.3 on TensorFlow, which turns them around."
        )
    stored = {layer_name(n): _inside(path, group, n) for n in _names(group, "layer_names")}
    weights = {name: _names(each, "weight_names") for name, each in stored.items()}
    _freeze(model)
    layers = {layer.name: layer for layer in model.layers if layer.weights}
    if layers.keys() != {name for name, each in weights.items() if each}:
        raise BadInput(f"{path} has weights of other layers than its architecture: {_SAVE_WHOLE}.")
    for layer in layers.values():
        variables = layer.trainable_weights + layer.non_trainable_weights
        names = weights[layer.name]
        if len(names) != len(variables):
            raise BadInput(
                f"{path} has {len(names)} weights for the layer {layer.name!r}, "
                f"which has {len(variables)}: {_SAVE_WHOLE}."
            )
        for name, variable in zip(names, variables, strict=True):
            variable.assign(_array(path, stored[layer.name], name, tuple(variable.shape)))


def _freeze(model: Any) -> None:
    """Let weights of frozen layers count as such, which decides where in the order they stand."""
    for layer in model._flatten_layers():
        if not layer.trainable:
            layer.trainable = False


def _array(path: Path, group: Any, name: str, shape: tuple[int, ...]) -> np.ndarray:
    data = _inside(path, group, name)
    if data.external is not None or data.is_virtual:
        raise _outside(path, name)
    if data.shape != shape or data.dtype.kind not in "fiub":
        # Before it is read: a few bytes may claim any size.
        raise BadInput(
            f"{path} has {name!r} of shape {data.shape} and type {data.dtype}, where numbers of "
            f"shape {shape} are needed: {_SAVE_WHOLE}."
        )
    return np.asarray(data)


def _inside(path: Path, group: Any, name: str) -> Any:
    """Return what lies at `name` in `group`, if every step of the way is in this file."""
    for part in filter(None, name.split("/")):
        link = group.get(part, getlink=True)
        if link is None:
            raise BadInput(f"{path} lacks {name!r}: it was not written to its end; save it again.")
        if not isinstance(link, h5py.HardLink):
            raise _outside(path, name)
        group = group[part]
    return group


def _outside(path: Path, name: str) -> BadInput:
    return BadInput(f"{path} takes {name!r} from another file: it is not followed.")


def _names(group: Any, key: str) -> list[str]:
    """Return a list of names, which Keras cuts into pieces where it is long."""
    keys = [key] if key in group.attrs else [f"{key}{i}" for i in range(len(group.attrs))]
    return [_text(name) for k in keys if k in group.attrs for name in group.attrs[k]]


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
