"""``onnx:``: a network in the ONNX format, run by onnxruntime on the CPU."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

from facebench.errors import BadInput
from facebench.samplers.pixels import Pixels
from facebench_models.feeding import images_of
from facebench_models.kinds import ONNX
from facebench_models.network import NetworkSampler, latent_shape, reading

_TYPES = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(double)": "float64"}


class OnnxSampler(NetworkSampler):
    """A network with one input; no operator libraries of its own are loaded."""

    def __init__(
        self,
        path: Path,
        *,
        latent: str = "normal",
        size: str = "",
        range: str = "tanh",
        layout: str = "NCHW",
        output: str = "",
    ):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        with reading(path, ONNX.name, (ONNX,)):
            session = onnxruntime.InferenceSession(
                path, options, providers=["CPUExecutionProvider"]
            )
            files = _files(path)
        name, dtype, (batch, *sides) = _input(path, session.get_inputs())
        names = [each.name for each in session.get_outputs()]

        def run(z: np.ndarray) -> np.ndarray:
            values = session.run(None, {name: z.astype(dtype)})
            return np.asarray(images_of(dict(zip(names, values, strict=True)), output))

        super().__init__(
            run,
            latent_shape(size, sides, path),
            Pixels(range, layout),
            latent,
            batch=batch if isinstance(batch, int) and batch > 0 else None,
            files=files,
        )


def _input(path: Path, inputs: list[Any]) -> tuple[str, str, list[Any]]:
    """Return the name, type and shape of the one input, which must be latents."""
    there = ", ".join(f"{each.name} {each.type} {each.shape}" for each in inputs)
    if len(inputs) != 1:
        raise BadInput(
            f"{path} takes {len(inputs)} inputs ({there}), where one latent is needed: export a "
            "network that takes nothing else."
        )
    if inputs[0].type not in _TYPES or not inputs[0].shape:
        raise BadInput(
            f"{path} takes {there}, where latents are batches of float, double or float16: export "
            "the part that takes them."
        )
    return inputs[0].name, _TYPES[inputs[0].type], inputs[0].shape


def _files(path: Path) -> tuple[Path, ...]:
    """Return the files beside a model in which it keeps weights."""
    outside = [
        {entry.key: entry.value for entry in tensor.external_data}
        for tensor in _tensors(onnx.load(path, load_external_data=False))
        if tensor.data_location == onnx.TensorProto.EXTERNAL
    ]
    return tuple(path.parent / name for name in sorted({each["location"] for each in outside}))


def _tensors(message: Any) -> Iterator[onnx.TensorProto]:
    """Yield all tensors of a model: its own, and those of its functions and subgraphs."""
    if isinstance(message, onnx.TensorProto):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type:
            for each in [value] if hasattr(value, "ListFields") else value:
                yield from _tensors(each)
