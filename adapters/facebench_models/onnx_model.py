"""``onnx:``: a network in the ONNX format, run by onnxruntime, on a GPU where that can."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

from facebench.errors import BadInput
from facebench_models.kinds import ONNX, reading
from facebench_models.network import Loaded, NetworkSampler, check_inputs
from facebench_models.translation import INPUTS, NetworkTranslator

CUDA = "CUDAExecutionProvider"
_TYPES = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(double)": "float64"}


class OnnxSampler(NetworkSampler):
    """A network with one input; no operator libraries of its own are loaded."""

    def load(self, path: Path) -> Loaded:
        """Return its network, and the files beside it in which it keeps weights."""
        return _load(path, self.device)


class OnnxTranslator(NetworkTranslator):
    """A network from sources, and perhaps noise, to pixels."""

    def load(self, path: Path) -> Loaded:
        """Return its network, and the files beside it in which it keeps weights."""
        return _load(path, self.device, INPUTS)


OnnxSampler.translator = OnnxTranslator


def _load(path: Path, device: str, most: int = 1) -> Loaded:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = _threads()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    with reading(path, ONNX):
        wanted = providers(device)
        session = onnxruntime.InferenceSession(path, options, providers=wanted)
        require_gpu(session.get_providers(), wanted)
        files = _files(path)
    inputs, names = session.get_inputs(), [each.name for each in session.get_outputs()]
    are_real = all(each.type in _TYPES and each.shape for each in inputs)
    check_inputs(path, [f"{each.name} {each.type} {each.shape}" for each in inputs], are_real, most)

    def run(*arrays: np.ndarray) -> dict[str, Any]:
        pairs = zip(inputs, arrays, strict=True)
        given = {each.name: array.astype(_TYPES[each.type]) for each, array in pairs}
        return dict(zip(names, session.run(None, given), strict=True))

    shape, *others = (each.shape for each in inputs)
    return Loaded(run, shape, files, others)


def providers(device: str) -> list[Any]:
    """Return what onnxruntime is to compute `device`'s part by, the first that can."""
    kind, _, number = device.partition(":")
    if kind != "cuda" or CUDA not in onnxruntime.get_available_providers():
        return ["CPUExecutionProvider"]
    if hasattr(onnxruntime, "preload_dlls"):  # finds CUDA's libraries among Python's packages
        onnxruntime.preload_dlls()
    return [(CUDA, {"device_id": number or "0", "use_tf32": "0"}), "CPUExecutionProvider"]


def require_gpu(found: Sequence[str], wanted: Sequence[Any]) -> None:
    """Refuse the CPU where a GPU was wanted: what is kept of the one is never used on the other."""
    if len(wanted) > 1 and CUDA not in found:
        raise BadInput(
            "onnxruntime has CUDA's provider but cannot load CUDA's libraries: install "
            "onnxruntime-gpu[cuda,cudnn], or give --device cpu."
        )


def _threads() -> int:
    """Return the number of threads that this process may take: one unless it was told."""
    told = re.match(r"\d+", os.environ.get("OMP_NUM_THREADS", ""))
    return int(told[0]) if told else 1


def _files(path: Path) -> tuple[Path, ...]:
    """Return the files beside a model in which it keeps weights."""
    outside = {
        {entry.key: entry.value for entry in tensor.external_data}["location"]
        for tensor in _tensors(onnx.load(path, load_external_data=False))
        if tensor.data_location == onnx.TensorProto.EXTERNAL
    }
    return tuple(path.parent / name for name in sorted(outside))


def _tensors(message: Any) -> Iterator[onnx.TensorProto]:
    """Yield all tensors of a model: its own, and those of its functions and subgraphs."""
    if isinstance(message, onnx.TensorProto):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type:
            for each in [value] if hasattr(value, "ListFields") else value:
                yield from _tensors(each)
