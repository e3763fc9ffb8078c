"""``onnx:``: a network in the ONNX format, run by onnxruntime on the CPU."""

from pathlib import Path

import numpy as np
import onnxruntime

from facebench.errors import BadInput
from facebench.pixels import Pixels
from facebench_models.network import NetworkSampler, latent_shape, reading


class OnnxSampler(NetworkSampler):
    """The first output of a network with one input; no operator libraries of its own are loaded."""

    def __init__(
        self,
        path: Path,
        *,
        latent: str = "normal",
        size: str = "",
        range: str = "tanh",
        layout: str = "NCHW",
    ):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        with reading(path, "an ONNX model"):
            session = onnxruntime.InferenceSession(
                path, options, providers=["CPUExecutionProvider"]
            )
        inputs = session.get_inputs()
        if len(inputs) != 1:
            raise BadInput(f"{path} takes {len(inputs)} inputs, where one latent is needed.")
        name = inputs[0].name
        shape = latent_shape(size, inputs[0].shape[1:], path)

        def run(z: np.ndarray) -> np.ndarray:
            return np.asarray(session.run(None, {name: z})[0])

        super().__init__(run, shape, Pixels(range, layout), latent)
