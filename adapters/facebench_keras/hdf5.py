"""Keras models in HDF5: an architecture in an attribute, weights by layer. Nothing is executed."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from facebench.errors import BadInput
from facebench.files import read_json
from facebench_keras.vetting import keras, plain, vet


def load_full_h5(path: Path) -> Any:
    """Return the model of a full ``.h5``, or None where the file holds weights only."""
    with h5py.File(path) as file:
        if "model_config" not in file.attrs:
            return None
        model = _build(path, json.loads(file.attrs["model_config"]))
        _set_weights(path, model, _inside(path, file, "model_weights"))
    return model


def load_parts(path: Path) -> Any:
    """Return the model of the one architecture beside a weights-only ``.h5``."""
    found = [p for p in sorted(path.parent.glob("*.json")) if _is_architecture(read_json(p))]
    if len(found) != 1:
        raise BadInput(
            f"{path} holds weights only, and beside it are {len(found)} architectures (model.json, "
            "as of model.to_json()), where one is needed."
        )
    model = _build(found[0], read_json(found[0]))
    with h5py.File(path) as file:
        if "layer_names" in file.attrs:
            _set_weights(path, model, file)
            return model
    model.load_weights(path)  # Keras 3's own, whose layout is another
    return model


def _is_architecture(value: Any) -> bool:
    return isinstance(value, dict) and "class_name" in value and "config" in value


def _build(path: Path, config: Any) -> Any:
    vet(path, config)
    layers = plain(config["config"])
    if config["class_name"] != "Sequential":
        return keras.Model.from_config(layers)
    named = layers if isinstance(layers, dict) else {"layers": layers}  # a list before Keras 2.2.3
    return keras.Sequential.from_config(named)


def _set_weights(path: Path, model: Any, group: Any) -> None:
    """Give every layer the arrays that are stored under its name, in their stored order."""
    stored = {name: _inside(path, group, name) for name in _names(group, "layer_names")}
    wanted = {layer.name for layer in model.layers if layer.weights}
    if wanted != {name for name, each in stored.items() if _names(each, "weight_names")}:
        raise BadInput(f"{path} has weights of other layers than its architecture.")
    for layer in model.layers:
        variables = layer.trainable_weights + layer.non_trainable_weights
        names = _names(stored[layer.name], "weight_names") if variables else []
        if len(names) != len(variables):
            raise BadInput(
                f"{path} has {len(names)} weights for the layer {layer.name!r}, "
                f"which has {len(variables)}."
            )
        for name, variable in zip(names, variables, strict=True):
            variable.assign(_array(path, stored[layer.name], name, tuple(variable.shape)))


def _array(path: Path, group: Any, name: str, shape: tuple[int, ...]) -> np.ndarray:
    data = _inside(path, group, name)
    if data.external is not None or data.is_virtual:
        raise _outside(path, name)
    if data.shape != shape:  # before it is read: a few bytes may claim any size
        raise BadInput(f"{path} has {name!r} of shape {data.shape}, where {shape} is needed.")
    return np.asarray(data)


def _inside(path: Path, group: Any, name: str) -> Any:
    """Return what lies at `name` in `group`, if every step of the way is in this file."""
    for part in filter(None, name.split("/")):
        if not isinstance(group.get(part, getlink=True), h5py.HardLink):
            raise _outside(path, name)
        group = group[part]
    return group


def _outside(path: Path, name: str) -> BadInput:
    return BadInput(f"{path} takes {name!r} from another file: it is not followed.")


def _names(group: Any, key: str) -> list[str]:
    """Return a list of names, which Keras cuts into pieces where it is long."""
    keys = [key] if key in group.attrs else [f"{key}{i}" for i in range(len(group.attrs))]
    names = [name for k in keys if k in group.attrs for name in group.attrs[k]]
    return [name.decode() if isinstance(name, bytes) else str(name) for name in names]
