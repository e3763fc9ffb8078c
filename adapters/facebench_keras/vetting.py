"""The architecture of a Keras model, as JSON: refused or made plain before Keras sees it.

Keras builds whatever classes a configuration names. Some of them carry code (``Lambda`` its
bytecode), load further files (``TFSMLayer``, ``TorchModuleWrapper``, vocabularies), or call any
function of the library by name. Plain layers of Keras and its activations are let through.
"""

import os
from pathlib import Path
from typing import Any

from facebench.errors import BadInput
from facebench_keras.runtime import start_keras

keras = start_keras(os.environ.get("KERAS_BACKEND") or "tensorflow")

PLACES = {
    f"keras.{name}": getattr(keras, name)
    for name in ("layers", "initializers", "regularizers", "constraints")
}
"""Where the classes are that are built, by the names of their modules."""

HARD_SIGMOID = "facebench>hard_sigmoid"
"""Keras 2's, which is registered with Keras under this name."""

AS_SAVED_MODEL = (
    "where it can be opened, write it with model.export('folder') (Keras 2: model.save('folder', "
    "save_format='tf')) and give that folder, or give python: a function that samples from it"
)
"""The way out for what is not built here: a graph, or the user's own code."""

_REFUSED = {
    *("Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"),
    *("TextVectorization", "StringLookup", "IntegerLookup", "Hashing", "HashedCrossing"),
}
_MODELS = ("Functional", "Model", "Sequential")
_OTHERS = ("DTypePolicy", "Policy", "InputSpec", "TensorShape", "__keras_tensor__", "__numpy__")
_ROOTS = ("keras", "builtins")


def vet(path: Path, config: Any) -> None:
    """Refuse what is not a plain layer, initializer, regularizer, constraint or activation."""
    if isinstance(config, dict):
        _vet_object(path, config)
        config = list(config.values())
    for value in config if isinstance(config, list) else ():
        vet(path, value)


def _vet_object(path: Path, config: dict[str, Any]) -> None:
    name, module = config.get("class_name"), config.get("module")
    if module is not None and str(module).partition(".")[0] not in _ROOTS:
        raise BadInput(f"{path} asks for {name!r} of {module!r}: only Keras' own layers are built.")
    for function in _functions(config):
        if not _is_activation(function):
            shown = repr(function) if isinstance(function, str) else "of its own"
            raise BadInput(
                f"{path} calls the function {shown}, which is not an activation of Keras' own: "
                f"it is not loaded; {AS_SAVED_MODEL}."
            )
    if name is not None and name != "function":
        vet_class(path, name)


def vet_class(path: Path, name: Any) -> None:
    """Refuse a class that is not plain."""
    if not place_of(name) and name not in _OTHERS:
        raise BadInput(
            f"{path} has a layer {name!r}, which may carry code or is not Keras' own: "
            f"it is not loaded; {AS_SAVED_MODEL}."
        )


def place_of(name: Any) -> str | None:
    """Return the public module of a plain class of Keras, or None where it is not one."""
    if not isinstance(name, str) or name in _REFUSED:
        return None
    found = (place for place in PLACES if isinstance(getattr(PLACES[place], name, None), type))
    return "keras" if name in _MODELS else next(found, None)


def _functions(config: dict[str, Any]) -> list[Any]:
    """Return the functions that an object is or has; layers may be activations, too."""
    if config.get("class_name") == "function":
        return [config.get("config")]
    named = [value for key, value in config.items() if key.endswith("activation")]
    return [v for v in named if v and not (isinstance(v, dict) and "class_name" in v)]


def _is_activation(name: Any) -> bool:
    try:
        return name == HARD_SIGMOID or bool(keras.activations.get(str(name)))
    except ValueError:
        return False


def plain(value: Any, key: str = "") -> Any:
    """Return an architecture without what only training needs, for any Keras 3 to build.

    Initializers are overwritten by the weights; what older versions wrote into them (a ``dtype``)
    newer ones refuse.

    >>> plain({"kernel_initializer": {"class_name": "GlorotUniform"}, "units": 3})
    {'kernel_initializer': 'zeros', 'units': 3}
    """
    if key.endswith("_initializer"):
        return "zeros"
    if key.endswith(("_regularizer", "_constraint")) or key == "compile_config":
        return None
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {key: plain(each, key) for key, each in value.items()}
    return value
