"""TensorFlow's SavedModel: a graph of operations, run after those that reach outside are refused.

A graph is a program. These operations read or write files, or call into Python; a model has no use
for them. Restoring the model's own variables takes some of TensorFlow's own, which are let through.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from facebench.errors import BadInput
from facebench_models.network import Loaded

_REACH_OUT = (
    *("ReadFile", "WriteFile", "MatchingFiles", "PyFunc", "EagerPyFunc", "PyFuncStateless"),
    *("Print", "PrintV2", "Save", "SaveSlices", "SaveDataset", "SaveDatasetV2", "DebugIdentity"),
    *("FixedLengthRecord", "TextLine", "TFRecord", "WholeFile", "IdentityReader", "LMDB"),
    *("InitializeTableFromTextFile", "GenerateVocabRemapping", "LoadAndRemapMatrix"),
    *("LoadDataset", "SnapshotDataset", "CreateSummary", "WriteSummary", "WriteRawProto"),
    *("XlaLaunch", "RemoteCall", "RpcCall", "Rpc", "CollectiveReduce", "Send", "Recv"),
)


def load_saved_model(path: Path) -> Loaded:
    """Return the default signature of a SavedModel."""
    _vet(path)
    loaded = tf.saved_model.load(path)
    function = _signature(path, loaded.signatures)
    ((name, latent),) = function.structured_input_signature[1].items()

    def run(z: np.ndarray) -> Any:
        _ = loaded  # whose variables live as long as it does
        return function(**{name: tf.cast(z, latent.dtype)})

    return Loaded(run, latent.shape.as_list() if latent.shape.rank else ())


def _signature(path: Path, signatures: Any) -> Any:
    if "serving_default" not in signatures:
        raise BadInput(
            f"{path} has no signature serving_default to sample with (signatures: "
            f"{_listed(signatures)}): save it with signatures={{'serving_default': …}}."
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
