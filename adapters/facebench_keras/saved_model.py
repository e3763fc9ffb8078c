"""TensorFlow's SavedModel: a graph of operations, run after those that reach outside are refused.

A graph is a program. These operations read or write files, or call into Python; a model has no use
for them. Restoring the model's own variables takes some of TensorFlow's own, which are let through.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from facebench.errors import BadInput

_REACH_OUT = (
    *("ReadFile", "WriteFile", "MatchingFiles", "PyFunc", "EagerPyFunc", "PyFuncStateless"),
    *("Print", "PrintV2", "Save", "SaveSlices", "SaveDataset", "SaveDatasetV2", "DebugIdentity"),
    *("FixedLengthRecord", "TextLine", "TFRecord", "WholeFile", "IdentityReader", "LMDB"),
    *("InitializeTableFromTextFile", "GenerateVocabRemapping", "LoadAndRemapMatrix"),
    *("LoadDataset", "SnapshotDataset", "CreateSummary", "WriteSummary", "WriteRawProto"),
    *("XlaLaunch", "RemoteCall", "RpcCall", "Rpc", "CollectiveReduce", "Send", "Recv"),
)


def load_saved_model(path: Path) -> tuple[Callable[[np.ndarray], np.ndarray], list[int | None]]:
    """Return the default signature of a SavedModel as a function of latents, and their shape."""
    _vet(path)
    loaded = tf.saved_model.load(path)
    function = _signature(path, loaded.signatures)
    ((name, latent),) = function.structured_input_signature[1].items()
    (gives,) = function.structured_outputs

    def run(z: np.ndarray) -> np.ndarray:
        _ = loaded  # whose variables live as long as it does
        batch = latent.shape.rank and latent.shape[0]  # is fixed, where it is a number
        pieces = [
            function(**{name: tf.cast(piece, latent.dtype)})[gives] for piece in _pieces(z, batch)
        ]
        return _real(tf.concat(pieces, 0))[: len(z)]

    return run, latent.shape.as_list()[1:] if latent.shape.rank else []


def _signature(path: Path, signatures: Any) -> Any:
    if "serving_default" not in signatures:
        raise BadInput(
            f"{path} has no signature serving_default to draw images with (signatures: "
            f"{_listed(signatures)}): "
            "save it with signatures={'serving_default': …}."
        )
    function = signatures["serving_default"]
    inputs, outputs = function.structured_input_signature[1], function.structured_outputs
    if len(inputs) != 1 or len(outputs) != 1:
        raise BadInput(
            f"{path} does not map one latent to one batch of images, but {_listed(inputs)} to "
            f"{_listed(outputs)}: save it with a signature that does."
        )
    return function


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, sorted(names))) or "nothing"


def _pieces(z: np.ndarray, batch: int | None) -> list[np.ndarray]:
    """Return `z` in pieces of `batch` rows, the last one filled up with zeros."""
    if not batch:
        return [z]
    filled = np.pad(z, [(0, -len(z) % batch), *[(0, 0)] * (z.ndim - 1)])
    return np.split(filled, max(1, len(filled) // batch))


def _real(values: Any) -> np.ndarray:
    """Return a tensor as an array; NumPy has no bfloat16."""
    return (tf.cast(values, tf.float32) if values.dtype.is_floating else values).numpy()


def _vet(path: Path) -> None:
    graph = SavedModel.FromString((path / "saved_model.pb").read_bytes())
    for operation in sorted(set(_operations(graph))):
        if operation.startswith(_REACH_OUT) and operation != "SaveV2":
            raise BadInput(f"{path} has the operation {operation!r}, which reaches outside of it.")


def _operations(graph: Any) -> Iterator[str]:
    for meta in graph.meta_graphs:
        yield from (node.op for node in meta.graph_def.node)
        for function in meta.graph_def.library.function:
            yield from (node.op for node in function.node_def)
