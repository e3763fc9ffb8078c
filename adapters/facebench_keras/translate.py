"""Architectures as older Keras wrote them, in the words of Keras 3: data to data, nothing is built.

Tables say what was renamed, what means nothing to a trained network, and what Keras 3 writes in
another form. What remains unknown to a layer of Keras 3 is refused, unless it is switched off.
"""

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from facebench.errors import BadInput
from facebench_keras.vetting import AS_SAVED_MODEL, HARD_SIGMOID, PLACES, keras, place_of, vet_class

_CLASSES = {
    "Functional": "Model",
    **dict.fromkeys(("BatchNormalizationV1", "BatchNormalizationV2"), "BatchNormalization"),
    "SyncBatchNormalization": "BatchNormalization",
    "ThresholdedReLU": "ReLU",
}
_KEYS = {
    ("InputLayer", "batch_input_shape"): "batch_shape",
    ("LeakyReLU", "alpha"): "negative_slope",
    ("ReLU", "theta"): "threshold",
}
_WITHOUT_EFFECT = {
    # Once it is trained, BatchNormalization uses its moving averages, however it came by them.
    *("fused", "renorm_clipping", "renorm_momentum"),
    *("batch_input_shape", "input_dim", "input_length", "query_shape", "key_shape", "value_shape"),
    *("implementation", "trainable"),
}


def translate(path: Path, config: Any) -> Any:
    """Return an architecture of Keras 2, made :func:`plain`, as Keras 3 would have written it.

    Raises:
        BadInput: where a layer says what Keras 3 has no word for.
    """
    if isinstance(config, list):
        return [translate(path, value) for value in config]
    if not isinstance(config, dict):
        return config
    if "class_name" in config and "config" in config:
        return _object(path, config)
    if config.get("class_name") in ("TensorShape", "__tuple__"):
        return config["items"]
    return {key: translate(path, value) for key, value in config.items()}


def layer_name(name: str) -> str:
    """Return what a layer is called in Keras 3, which has no slashes in names."""
    return name.replace("/", "|")


def _object(path: Path, config: dict[str, Any]) -> Any:
    name, inner = _CLASSES.get(config["class_name"], config["class_name"]), config["config"]
    if name == "Policy":
        return "float32" if "infer" in inner["name"] else inner["name"]
    if name == "function":
        return config
    inner = _MODELS[name](path, inner) if name in _MODELS else _layer(path, name, inner)
    kept = {key: value for key, value in config.items() if key in ("inbound_nodes", "name")}
    return kept | {"module": place_of(name), "class_name": name, "config": inner}


def _layer(path: Path, name: str, config: dict[str, Any]) -> dict[str, Any]:
    vet_class(path, name)
    accepted = _arguments(name)
    translated = {}
    for old_key, value in config.items():
        key = _KEYS.get((name, old_key), old_key)
        if key in accepted:
            new = translate(path, value)
            translated[key] = _VALUES[key](new) if key in _VALUES else new
        elif not _means_nothing(key, value):
            raise BadInput(
                f"{path} has a {name} layer with {f'{key}={value!r}'[:80]!r}, which Keras 3 does "
                f"not have: {AS_SAVED_MODEL}."
            )
    return translated


def _arguments(name: str) -> set[str]:
    built = getattr(PLACES[str(place_of(name))], name)
    arguments = set(inspect.signature(built.__init__).parameters)
    if "kwargs" in arguments:
        arguments |= set(inspect.signature(keras.layers.Layer.__init__).parameters)
    return arguments - {"self", "args", "kwargs"}


def _means_nothing(key: str, value: Any) -> bool:
    is_off = not value or (key, value) == ("groups", 1)
    return is_off or key in _WITHOUT_EFFECT or key.endswith("_initializer")


def _axis(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _activation(value: Any) -> Any:
    """Return an activation that is what Keras 2 meant by it."""
    match value:
        case "hard_sigmoid" | {"class_name": "function", "config": "hard_sigmoid"}:
            return {"class_name": "function", "config": HARD_SIGMOID, "module": "builtins"}
    return value


_VALUES: dict[str, Callable[[Any], Any]] = {
    "activation": _activation,
    "axis": _axis,
    "batch_shape": lambda value: [None, *value[1:]],  # for any batch
    "name": layer_name,
    "recurrent_activation": _activation,
}


def _hard_sigmoid(x: Any) -> Any:
    """Return clip(x / 5 + 1 / 2, 0, 1); the function of that name in Keras 3 has another slope."""
    return keras.ops.clip(0.2 * x + 0.5, 0, 1)


keras.saving.register_keras_serializable(*HARD_SIGMOID.split(">"))(_hard_sigmoid)


def _sequential(path: Path, config: Any) -> dict[str, Any]:
    if isinstance(config, list):  # before Keras 2.2.3
        config = {"name": "sequential", "layers": config}
    layers = config["layers"]
    first = layers[0]["config"] if layers else None  # which is a list for a model in the model
    shape = first.get("batch_input_shape") if isinstance(first, dict) else None
    if shape and layers[0]["class_name"] != "InputLayer":  # before TensorFlow 2.2
        start = {"class_name": "InputLayer", "config": {"batch_input_shape": shape}}
        layers = [start, *layers]
    name = layer_name(config.get("name", "sequential"))
    return config | {"name": name, "layers": translate(path, layers)}


def _functional(path: Path, config: dict[str, Any]) -> dict[str, Any]:
    layers = translate(path, config["layers"])
    shifted = _counted_from_one(config)
    for layer in layers:
        layer["name"] = layer_name(layer["name"])
        layer["inbound_nodes"] = [_node(node, shifted) for node in layer["inbound_nodes"]]
    ends = {key: _ends(config[key], layers, shifted) for key in ("input_layers", "output_layers")}
    name = layer_name(config.get("name", "model"))
    return ends | {"name": name, "trainable": config.get("trainable", True), "layers": layers}


def _counted_from_one(config: dict[str, Any]) -> set[str]:
    """Return the models within a model whose first call is number 1: number 0 is their own."""
    nodes = {layer["name"]: layer["inbound_nodes"] for layer in config["layers"]}
    references = _references([nodes, config["output_layers"]])
    return {
        name for name, call, *_ in references if name in nodes and call >= max(len(nodes[name]), 1)
    }


def _is_reference(value: Any) -> bool:
    match value:
        case [str(), int(), int()] | [str(), int(), int(), _]:
            return True
    return False


def _references(value: Any) -> Iterator[list[Any]]:
    """Yield all mentions [layer, call, output] of a layer's outputs."""
    if _is_reference(value):
        yield value
        value = value[3:]
    for each in value.values() if isinstance(value, dict) else value:
        if isinstance(each, list | dict):
            yield from _references(each)


def _node(node: Any, shifted: set[str]) -> dict[str, Any]:
    """Return a layer's call: its inputs, and in the last of them its other arguments."""
    inputs = [_tensor(reference, shifted) for reference in node]
    options = {
        key: _argument(value, shifted)
        for reference in node
        for given in reference[3:]
        for key, value in given.items()
        if value is not None
    }
    return {"args": inputs if len(inputs) == 1 else [inputs], "kwargs": options}


def _argument(value: Any, shifted: set[str]) -> Any:
    if _is_reference(value):
        return _tensor(value, shifted)
    return [_argument(each, shifted) for each in value] if isinstance(value, list) else value


def _tensor(reference: list[Any], shifted: set[str]) -> dict[str, Any]:
    name, call, output = reference[:3]
    history = [layer_name(name), call - (name in shifted), output]
    config = {"shape": [None], "dtype": "float32", "keras_history": history}
    return {"class_name": "__keras_tensor__", "config": config}


def _ends(value: Any, layers: list[dict[str, Any]], shifted: set[str]) -> Any:
    """Return a model's inputs or outputs, a single one by itself.

    Here alone Keras 3 counts calls of functional models from one, and of sequential ones from zero.
    """
    kinds = {layer["name"]: layer["class_name"] for layer in layers}
    ends = []
    for name, call, output in [value] if _is_reference(value) else value:
        is_counted = name in shifted and kinds[layer_name(name)] == "Sequential"
        ends.append([layer_name(name), call - is_counted, output])
    return ends[0] if len(ends) == 1 else ends


_MODELS: dict[str, Callable[[Path, Any], dict[str, Any]]] = {
    "Model": _functional,
    "Sequential": _sequential,
}
