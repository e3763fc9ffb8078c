"""Reading ``torch.export`` programs without what PyTorch's own reader would execute.

``torch.export.load`` unpickles weights and constants that are marked so, falls back to unpickling
sample inputs, evaluates symbolic sizes as Python (``sympify``), compiles guards, resolves any
``torch.…`` name as an operator and loads compiled libraries. So an archive is taken apart here and
put together again from what is plain: tensors, ATen operators and sizes made of symbols.
"""

import io
import json
import re
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any
from zipfile import ZipFile

import torch
from torch import Tensor
from torch.export import ExportedProgram

from facebench.errors import BadInput
from facebench_models.network import check_inputs

_PLAIN = re.compile(
    r"archive_format|archive_version|byteorder|\.data/(version|serialization_id)|models/model\.json"
    r"|data/(weights/(weight_\d+|model_weights_config\.json)"
    r"|constants/(tensor_\d+|model_constants_config\.json)|sample_inputs/model\.pt)"
)
_OPERATOR = re.compile(
    r"torch\.ops\.(aten|prims)\.\w+\.\w+"
    r"|_operator\.(add|eq|floordiv|ge|getitem|gt|le|lt|mod|mul|ne|neg|pow|sub|truediv)"
)
_FILE_OPERATOR = re.compile(r"from_file|_save|_load")
_SYMBOLS = re.compile(
    r"(Symbol|Integer|Max|Min|FloorDiv|Mod|PythonMod|CleanDiv|positive|nonnegative|integer"
    r"|True|False|[su]\d|\d|[\s'(),=+*/-])*"
)
_LARGEST = 8 << 30  # bytes in all


def load_program(path: Path) -> ExportedProgram:
    """Return the program at `path`, or raise BadInput for what is not plain in it."""
    return torch.export.load(io.BytesIO(_repacked(path)))


def inputs_of(path: Path, program: ExportedProgram, most: int = 1) -> list[Tensor]:
    """Return batches of what the program takes, without values; their shapes may have symbols."""
    names = program.graph_signature.user_inputs
    inputs = {
        node.name: node.meta.get("val")
        for node in program.graph.nodes
        if node.op == "placeholder" and node.name in names
    }
    described = [f"{name} {value}" for name, value in inputs.items()]
    are_real = all(isinstance(x, Tensor) and x.is_floating_point() for x in inputs.values())
    check_inputs(path, described, are_real, most)
    return [*inputs.values()]


def _repacked(path: Path) -> bytes:
    packed = io.BytesIO()
    with ZipFile(path) as source, ZipFile(packed, "w") as target:
        names = source.namelist()
        if sum(member.file_size for member in source.infolist()) > _LARGEST:
            raise BadInput(f"{path} unpacks to more than {_LARGEST >> 30} GiB.")
        if len(set(names)) < len(names):
            raise BadInput(f"{path} holds files of the same name twice.")
        for name in names:
            inner = "/".join(PurePosixPath(name).parts[1:])  # the first is the archive's own name
            target.writestr(name, _vetted(path, inner, source.read(name)))
    return packed.getvalue()


def _vetted(path: Path, name: str, data: bytes) -> bytes:
    if not _PLAIN.fullmatch(name):
        raise BadInput(f"{path} holds {name!r}, which may be code or pickled: it is not loaded.")
    if name.endswith("model.json"):
        graph = json.loads(data, object_hook=partial(_plain_record, path))
        return json.dumps(graph | {"guards_code": []}).encode()
    if name.endswith("_config.json"):
        return json.dumps(_plain_payload(path, json.loads(data))).encode()
    if name.endswith(".pt"):  # torch would fall back to unpickling what this refuses
        torch.load(io.BytesIO(data), weights_only=True)
    return data


def _plain_payload(path: Path, config: Any) -> Any:
    for name, entry in config["config"].items():
        file = entry["path_name"]
        if entry["use_pickle"] is not False or not re.fullmatch(r"(weight|tensor)_\d+", file):
            raise BadInput(f"{path} holds {name!r} pickled: it is not loaded.")
    return config


def _plain_record(path: Path, record: dict[str, Any]) -> dict[str, Any]:
    """Return an object of the graph without notes, which are not needed, if it is plain."""
    target, size = record.get("target"), record.get("expr_str", "")
    if isinstance(target, str) and "inputs" in record:
        if not _OPERATOR.fullmatch(target) or _FILE_OPERATOR.search(target):
            raise BadInput(f"{path} calls {target!r}, which is not a plain operator.")
    if not isinstance(size, str) or not is_plain_size(size):
        raise BadInput(f"{path} has the size {size!r}, which is not plain.")
    return record | {"metadata": {}} if "metadata" in record else record


def is_plain_size(text: str) -> bool:
    """Return whether a size is of numbers and symbols only: PyTorch would evaluate it as Python."""
    return _SYMBOLS.fullmatch(text) is not None
