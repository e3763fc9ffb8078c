"""Which of Keras' forms a path has, told by what is in it and not by its name."""

import zipfile
from pathlib import Path

import h5py

from facebench.errors import BadInput

_HDF5, _ZIP = b"\x89HDF\r\n\x1a\n", b"PK"
_SUFFIXES = (".keras", ".h5", ".hdf5")
_CHECKPOINT = (
    "a TensorFlow checkpoint has weights without a model: build the model where its code is, "
    "load_weights there, and save it as .keras"
)
_BROKEN = "it is damaged or cut short; get it again"
_OTHERS = {  # by how they begin
    b"version https://git-lfs": "it is a Git LFS pointer: fetch the file itself with git lfs pull",
    b"<": "it is a web page: download the file itself",
    b"{": "it is JSON: an architecture goes beside a file of weights, and that file is named",
    b"\x80": "it is a pickle, which would run code: save the model with model.save('model.keras')",
}


def model_file(path: Path) -> Path:
    """Return the one model file of a folder, or the folder where it is a model as a whole."""
    if not path.is_dir() or (path / "saved_model.pb").is_file():
        return path
    found = [p for p in sorted(path.iterdir()) if p.suffix in _SUFFIXES]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(p.name for p in found)
        raise BadInput(f"{path} holds several Keras models: name one of {names}.")
    if any(_is_of_checkpoint(p) for p in path.iterdir()):
        raise BadInput(f"{path} is not a Keras model: {_CHECKPOINT}.")
    raise BadInput(f"{path} holds no Keras model: neither .keras nor .h5 nor saved_model.pb.")


def is_hdf5(path: Path) -> bool:
    """Return whether a file is whole HDF5, and not a whole ``.keras``; refuse what is neither."""
    with path.open("rb") as file:
        start = file.read(1024)
    if start.startswith(_HDF5):
        return _is_whole(path)
    if not start.startswith(_ZIP) or not zipfile.is_zipfile(path):
        raise BadInput(f"{path} is not a Keras model that can be read: {_what_else(path, start)}.")
    with zipfile.ZipFile(path) as archive:
        if "config.json" not in archive.namelist():
            raise BadInput(
                f"{path} is not a Keras model: it is a zip without config.json; if it holds a "
                "model, unzip it and name that."
            )
    if path.suffix != ".keras":
        raise BadInput(f"{path} is a .keras file by another name: give it a name in .keras.")
    return False


def _is_whole(path: Path) -> bool:
    try:
        h5py.File(path).close()
    except OSError as error:
        raise BadInput(f"{path} is not a Keras model that can be read: {_BROKEN}.") from error
    return True


def _what_else(path: Path, start: bytes) -> str:
    if _is_of_checkpoint(path):
        return _CHECKPOINT
    if path.name == "saved_model.pb":
        return "it is a part of a SavedModel: name the folder that it is in"
    if not start.strip(b"\0"):
        return "it is empty" if not start else "it holds zeros only; get it again"
    if start.startswith(_ZIP):
        return _BROKEN
    found = (text for head, text in _OTHERS.items() if start.lstrip().startswith(head))
    return next(found, "it is neither HDF5 nor a .keras file")


def _is_of_checkpoint(path: Path) -> bool:
    return path.suffix == ".index" or ".data-0" in path.name or path.name == "checkpoint"
