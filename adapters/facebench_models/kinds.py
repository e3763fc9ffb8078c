"""What a file is, by what is in it, so that a refusal can say so."""

import json
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from facebench.errors import BadInput, cause

_AGAIN = "copy or download it again"


@dataclass(frozen=True)
class Kind:
    """A sort of file, and what to do with one that was not wanted."""

    name: str
    way_out: str


CHECKPOINT = Kind("a checkpoint of torch.save", "open it with torch:FILE.py:FUNCTION@{path}")
SAFETENSORS = Kind("a safetensors file", "open it with torch:FILE.py:FUNCTION@{path}")
TORCHSCRIPT = Kind("a TorchScript model", "open it with torchscript:{path}")
EXPORTED = Kind("a torch.export program", "open it with export:{path}")
ONNX = Kind("an ONNX model", "open it with onnx:{path}")
KERAS = Kind("a Keras model", "open it with keras:{path}")
SKOPS = Kind("a skops file", "open it with sklearn-pca:{path}")
ARRAYS = Kind("an .npz of arrays", "open it with images:{path} or sklearn-pca:{path}")
PICKLE = Kind(
    "a pickle, which would run code",
    "where you trust it, open it by pickle.load and save the x in it without code: "
    "torch.save(x.state_dict(), FILE) of a module, x.save('model.keras') of Keras, "
    "skops.io.dump(x, FILE) of scikit-learn",
)
TF_CHECKPOINT = Kind(
    "a TensorFlow checkpoint, which has weights without a model",
    "build the model where its code is, load_weights there, and save it as .keras",
)
_CUT_OFF = Kind("cut off", _AGAIN)
_POINTER = Kind("a pointer of Git LFS, not the file itself", "fetch it with git lfs pull")
_WEB_PAGE = Kind("a web page, as a failed download leaves one", "download the file itself")
_PICTURES = Kind("a zip of pictures", "open it with images:{path}")
_JSON = Kind("JSON", "an architecture goes beside a file of weights, and that file is named")

_NAMES: tuple[tuple[str, Kind], ...] = (  # of parts that do not begin as anything else does
    (r".*\.index|.*\.data-\d+-of-\d+", TF_CHECKPOINT),
    (r"saved_model\.pb", Kind("a part of a SavedModel", "name the folder that it is in")),
)
_BEGINNINGS: tuple[tuple[bytes, Kind], ...] = (
    (rb"\Z", Kind("empty", _AGAIN)),
    (rb"\0{64}", Kind("a file of zeros", _AGAIN)),
    (rb"version https://git-lfs", _POINTER),
    (rb"(?i)(\xef\xbb\xbf)?\s*<(!doctype|html|head|\?xml|!--)", _WEB_PAGE),
    (rb"(\x80\x02)?\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19", CHECKPOINT),  # before PyTorch 1.6
    (rb".{7}\0\{", SAFETENSORS),  # before pickles: the length of its header may begin as theirs
    (rb"\x80[\x02-\x05]", PICKLE),
    (rb"\x89HDF\r\n\x1a\n", KERAS),
    (rb"\x93NUMPY", Kind("one .npy array", "open it with images:{path}")),
    (rb"....TFL3", Kind("a TFLite model", "have it saved by Keras, and open it with keras:")),
    (rb"\x08[\x01-\x1f][\x12\x1a\x22\x3a\x42]", ONNX),
    (rb"model_checkpoint_path:", TF_CHECKPOINT),
    (rb"\s*\{", _JSON),
    (rb"\x1f\x8b|BZh|\xfd7zXZ|7z\xbc\xaf|Rar!|\x28\xb5\x2f\xfd", Kind("packed", "unpack it first")),
    (rb".{257}ustar", Kind("a tar archive", "unpack it first, or open it with images:{path}")),
    (rb"\x89PNG|\xff\xd8\xff|GIF8|RIFF....WEBP", Kind("a picture", "name the model's file")),
)
_MEMBERS: tuple[tuple[str, Kind], ...] = (
    (r"(.+/)?constants\.pkl", TORCHSCRIPT),
    (r"(.+/)?(models/model\.json|serialized_exported_program\.json)", EXPORTED),
    (r"(.+/)?data\.pkl", CHECKPOINT),
    (r"model\.weights\.h5|metadata\.json", KERAS),
    (r"schema\.json", SKOPS),
    (r".*\.npy", ARRAYS),
    (r"(?i).*\.(png|jpe?g|webp|bmp|gif|tiff?)", _PICTURES),
)
_IN_FOLDER = (("saved_model.pb", KERAS), ("checkpoint", TF_CHECKPOINT))
_FOLDER = Kind("a folder", "name the file in it")
_TEXT = Kind("text, not a model", "name the model's file")
_ZIP = Kind("a zip of other files", "unpack it first, and name the model's file")


def kind_of(path: Path) -> Kind | None:
    """Return what the file at `path` is, or None where that cannot be told."""
    if path.is_dir():
        return next((kind for name, kind in _IN_FOLDER if (path / name).is_file()), _FOLDER)
    for name, kind in _NAMES:
        if re.fullmatch(name, path.name):
            return kind
    with path.open("rb") as stream:
        head = stream.read(1024)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _of_zip(path)
    for beginning, kind in _BEGINNINGS:
        if re.match(beginning, head, re.DOTALL):
            return _CUT_OFF if kind is SAFETENSORS and _is_short(path) else kind
    return _TEXT if all(32 <= byte < 127 or byte in b"\t\r\n" for byte in head) else None


def _of_zip(path: Path) -> Kind | None:
    try:
        with zipfile.ZipFile(path) as file:
            names = file.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return _CUT_OFF
    for member, kind in _MEMBERS:
        if any(re.fullmatch(member, name) for name in names):
            return kind
    return _ZIP


def _is_short(path: Path) -> bool:
    """Return whether a safetensors file promises more bytes than there are."""
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header = stream.read(min(length, 1 << 25))
    try:
        ends = [each["data_offsets"][1] for each in json.loads(header).values() if "dtype" in each]
        return bool(8 + length + max(ends, default=0) > path.stat().st_size)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return length >= path.stat().st_size


@contextmanager
def reading(path: Path, *expected: Kind, what: str = "") -> Iterator[None]:
    """Turn whatever a framework raises over a stranger's file into one sentence.

    The file is told to be any other than the `expected` kinds, the first of which says `what` it
    should be if that does not.
    """
    try:
        yield
    except BadInput:
        raise
    except Exception as error:
        refuse_others(path, *expected, what=what)
        what = what or expected[0].name
        raise BadInput(f"{path} is not {what} that can be read: {cause(error)}.") from error


def refuse_others(path: Path, *expected: Kind, what: str = "") -> None:
    """Raise BadInput if the file at `path` is certainly something else, saying what it is."""
    kind = kind_of(path)
    if kind and expected and kind not in expected:
        way_out = kind.way_out.format(path=path)
        raise BadInput(f"{path} is not {what or expected[0].name}: it is {kind.name}; {way_out}.")
