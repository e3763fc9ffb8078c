"""ONNX: batches and types as the file states them, its inputs and outputs, files beside it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_feeding import TANH, Z, check

from facebench.errors import BadInput


def onnx_model(path: Path, batch: int | str, dtype: str = "FLOAT", extra: str = "") -> np.ndarray:
    """Save z → tanh(W z) as 3×4×4 images, and return what it gives for Z."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    kind = getattr(TensorProto, dtype)
    weight = (
        np.random.default_rng(0).normal(size=(6, 48)).astype(helper.tensor_dtype_to_np_dtype(kind))
    )
    shape = np.array([batch if isinstance(batch, int) else -1, 3, 4, 4], np.int64)
    nodes = [
        helper.make_node("MatMul", ["z", "w"], ["flat"]),
        helper.make_node("Reshape", ["flat", "s"], ["maps"]),
        helper.make_node("Tanh", ["maps"], ["y"]),
    ]
    inputs = [helper.make_tensor_value_info("z", kind, [batch, 6])]
    outputs = [helper.make_tensor_value_info("y", kind, [batch, 3, 4, 4])]
    if extra == "labels":
        inputs.append(helper.make_tensor_value_info("labels", TensorProto.INT64, [batch]))
    if extra == "latents":
        outputs.insert(0, helper.make_tensor_value_info("flat", kind, [batch, 48]))
    if extra == "two":
        nodes.append(helper.make_node("Neg", ["y"], ["x"]))
        outputs.append(helper.make_tensor_value_info("x", kind, [batch, 3, 4, 4]))
    graph = helper.make_graph(
        nodes, "g", inputs, outputs,
        [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(shape, "s")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    beside: dict[str, Any] = {
        "save_as_external_data": True,
        "location": "deep/w.bin",
        "size_threshold": 99,
    }
    (path.parent / "deep").mkdir(exist_ok=True)
    onnx.save(model, path, **(beside if extra == "beside" else {}))
    return TANH.images(np.tanh((Z @ weight.astype(np.float32)).reshape(-1, 3, 4, 4)))


onnx_warnings = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of its dependencies


@onnx_warnings
@pytest.mark.parametrize("batch", [1, 16, 64, "batch_size"])
@pytest.mark.parametrize("dtype", ["FLOAT", "FLOAT16", "DOUBLE"])
def test_onnx(batch: int | str, dtype: str, tmp_path: Path) -> None:
    from facebench_models.onnx_model import OnnxSampler

    wanted = onnx_model(tmp_path / "m.onnx", batch, dtype)
    sampler = OnnxSampler(tmp_path / "m.onnx")
    assert sampler.files == ()
    check(sampler, wanted, atol=2)


@onnx_warnings
def test_onnx_of_several_outputs_or_inputs(tmp_path: Path) -> None:
    from facebench_models.onnx_model import OnnxSampler

    path = tmp_path / "m.onnx"
    check(_opened(OnnxSampler, path, "latents"), onnx_model(path, "n", extra="latents"))
    wanted = onnx_model(path, "n", extra="two")
    with pytest.raises(BadInput, match=r"2 outputs \(y of shape .* x of shape .*\+output=y"):
        OnnxSampler(path)
    check(OnnxSampler(path, output="y"), wanted)
    onnx_model(path, "n", extra="labels")
    with pytest.raises(BadInput, match=r"2 inputs \(z tensor\(float\) .*labels tensor\(int64\)"):
        OnnxSampler(path)


def _opened(sampler: Callable[..., Any], path: Path, extra: str) -> Any:
    onnx_model(path, "n", extra=extra)
    return sampler(path)


@onnx_warnings
def test_onnx_names_the_files_beside_it(tmp_path: Path) -> None:
    from facebench_models.onnx_model import OnnxSampler

    wanted = onnx_model(tmp_path / "m.onnx", "n", extra="beside")
    sampler = OnnxSampler(tmp_path / "m.onnx")
    assert sampler.files == (tmp_path / "deep" / "w.bin",)
    assert sampler.files[0].is_file()
    check(sampler, wanted)
    sampler.files[0].unlink()
    with pytest.raises(BadInput, match=r"w\.bin"):
        OnnxSampler(tmp_path / "m.onnx")
