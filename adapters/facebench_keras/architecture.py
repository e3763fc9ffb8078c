"""From an architecture as JSON, of any Keras, to a model without its weights."""

import json
import warnings
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from facebench.errors import BadInput
from facebench.files import read_json
from facebench_keras.translate import translate
from facebench_keras.vetting import AS_SAVED_MODEL, keras, plain, vet

_UNFOUND = ("Skipping nested container", "could not be loaded")  # as Keras says it
_LARGEST = 64 << 20  # bytes of JSON


def build(path: Path, config: Any, version: str = "") -> Any:
    """Return the model that `config`, which is from `path`, describes as ``model.to_json()`` does.

    `version` is of the Keras that wrote it, where the file says it outside of `config`.

    Raises:
        BadInput: for what is not plain, or has no translation.
    """
    config = plain(config)
    version = version or config.get("keras_version") or ""
    if version.startswith(("0.", "1.")):
        raise BadInput(
            f"{path} is of Keras {version}, whose layers had other names: load and save it with "
            "Keras 2.0 to 2.3, which still reads them."
        )
    if not version.startswith("2.") and (version or "module" in config):
        return _build(path, config)
    try:
        return _build(path, translate(path, config))
    except BadInput:
        raise
    except Exception as error:
        raise BadInput(
            f"{path} is of Keras {version or '2'}, and Keras 3 cannot build it "
            f"({type(error).__name__}): {AS_SAVED_MODEL}."
        ) from error


def parse(path: Path, text: Any) -> dict[str, Any]:
    """Return an architecture that is JSON."""
    try:
        config = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise BadInput(f"{path} has an architecture that is not JSON: save it again.") from error
    if not _is_architecture(config):
        raise BadInput(f"{path} has an architecture that is none of Keras: it names no class.")
    return config


def load_archive(path: Path) -> Any:
    """Return the model of a ``.keras`` file, of Keras 3 or of late Keras 2."""
    if path.suffix != ".keras":  # by which Keras tells how weights are laid out
        raise BadInput(f"{path} is a .keras file by another name: give it a name in .keras.")
    with ZipFile(path) as archive:
        if "model.weights.h5" not in archive.namelist():
            raise BadInput(f"{path} has no weights in it: write it with model.save('model.keras').")
        config = parse(path, _member(path, archive, "config.json"))
        metadata = json.loads(_member(path, archive, "metadata.json"))
    model = build(path, config, _written_by(metadata))
    load_weights(path, model)
    return model


def _member(path: Path, archive: ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > _LARGEST:
        raise BadInput(f"{path} has a {name} of absurd size.")
    return archive.read(name)


def load_weights(path: Path, model: Any) -> None:
    """Give a model the weights of a ``.keras`` or ``.weights.h5`` file."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", _UNFOUND[0])
            model.load_weights(path)
    except (ValueError, UserWarning) as error:
        if not any(text in str(error) for text in _UNFOUND):
            raise
        raise BadInput(
            f"{path} does not have the weights of all layers where Keras looks for them (a layer "
            "that models within the model share is stored once): save the whole model as .h5, or "
            f"{AS_SAVED_MODEL}."
        ) from error


def build_beside(path: Path) -> tuple[Any, tuple[Path, ...]]:
    """Return the model of the one architecture beside a file of weights, and what said it."""
    there = {file: read_json(file) for file in sorted(path.parent.glob("*.json"))}
    found = [file for file, value in there.items() if _is_architecture(value)]
    if len(found) > 1:
        names = ", ".join(file.name for file in found)
        raise BadInput(f"{path} holds weights only, and beside it are {names}: leave one of them.")
    if not found:
        yaml = [p for p in sorted(path.parent.iterdir()) if p.suffix in (".yaml", ".yml")]
        instead = f" ({yaml[0].name} is not read: give it as JSON)" if yaml else ""
        raise BadInput(
            f"{path} holds weights only: put the text of model.to_json() beside it as "
            f"model.json{instead}, or, for a model that has no such text, {AS_SAVED_MODEL}."
        )
    if found[0].name == "config.json":  # of a .keras file that was unzipped
        found += [file for file in there if file.name == "metadata.json"]
    version = _written_by(there[found[1]]) if found[1:] else ""
    return build(found[0], there[found[0]], version), tuple(found)


def _written_by(metadata: Any) -> str:
    return str(metadata.get("keras_version", "")) if isinstance(metadata, dict) else ""


def _is_architecture(value: Any) -> bool:
    return isinstance(value, dict) and "class_name" in value and "config" in value


def _build(path: Path, config: Any) -> Any:
    vet(path, config)
    if "module" in config:
        model = keras.saving.deserialize_keras_object(config, safe_mode=True)
    else:  # as Keras 3 writes it into HDF5
        kind = keras.Sequential if config["class_name"] == "Sequential" else keras.Model
        model = kind.from_config(config["config"])
    if not getattr(model, "built", False):
        raise BadInput(
            f"{path} does not say what its model takes, so that weights have no place in it: "
            f"save it after it was called on some latents, or {AS_SAVED_MODEL}."
        )
    return model
