"""A Keras model as a function from latents to images, or what in it is one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from facebench.errors import BadInput
from facebench_keras.vetting import AS_SAVED_MODEL, keras
from facebench_models.network import Graph


def chosen(path: Path, model: Any, part: str) -> Any:
    """Return the model, or the one within it that is called `part`, if it can make images."""
    if part:
        parts = dict(_parts(model))
        if part not in parts:
            there = "; there are: " + ", ".join(map(repr, parts)) if parts else ""
            raise BadInput(f"{path} has no model {part!r} within it{there}.")
        model = parts[part]
    if not getattr(model, "inputs", None):
        raise BadInput(f"{path} does not say what its model takes: {AS_SAVED_MODEL}.")
    if not (len(model.inputs) == len(model.outputs) == 1):
        takes = " and ".join(f"{each.name!r} {_shapes([each])}" for each in model.inputs)
        raise BadInput(
            f"{path} maps {takes} to {_shapes(model.outputs)}, where one latent makes one image: "
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


def graph_of(model: Any, files: tuple[Path, ...]) -> Graph:
    """Return a model with one input and one output as a function of arrays."""
    # Keras 3 keeps a list of one a list.
    is_listed = not isinstance(model, keras.Sequential) and isinstance(model.input, list)

    def run(z: np.ndarray) -> Any:
        return model([z] if is_listed else z, training=False)

    # Whatever batch it was built with, Keras may take others.
    return Graph(run, (None, *model.inputs[0].shape[1:]), files)
