"""torch-fidelity's feature extractors, loaded without executing anything from outside.

The Inception is torch-fidelity's port of the TensorFlow network of 2015-12-05, whose TF1-style
resize of ``uint8`` images is part of it. Its BatchNorm is folded into the convolutions before it
(Jacob et al. 2018, arXiv:1712.05877, section 3.2): 1.6 times as fast on a CPU with channels_last,
features equal to a relative 1e-6.
"""

import io
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch_fidelity.feature_extractor_inceptionv3 import BasicConv2d
from torch_fidelity.registry import FEATURE_EXTRACTORS_REGISTRY

from facebench.errors import BadInput
from facebench.features.extractor import Record, in_batches
from facebench.weights import MANIFEST, WeightFile, WeightSource

_INCEPTION = "inception-v3-compat"


def networks() -> list[str]:
    """Return the names of torch-fidelity's extractors; its Inception is called ``inception``."""
    return ["inception", *(name for name in FEATURE_EXTRACTORS_REGISTRY if name != _INCEPTION)]


class FidelityFeatures:
    """One layer of one of torch-fidelity's networks; the Inception gives its logits too."""

    def __init__(self, network: str, layer: str, weights: WeightSource, device: str):
        """Load `network`; an empty `layer` means the one torch-fidelity's FID uses."""
        kind = FEATURE_EXTRACTORS_REGISTRY[_INCEPTION if network == "inception" else network]
        default = kind.get_default_feature_layer_for_metric("fid")
        layer = layer or default
        provided = [name for name in kind.get_provided_features_list() if "logits" not in name]
        if layer not in provided:
            raise BadInput(f"{network} has no layer {layer!r}; it has: {', '.join(provided)}.")
        self.name = network if layer == default else f"{network}@{layer}"
        # The whole network is run for the pool features only, so only then do logits come free.
        logits = ["logits_unbiased"] if self.name == "inception" else []
        self._outputs = ["features", "logits"][: 1 + len(logits)]
        self._device = device
        file = _find(network, weights)
        self.weights = {file.name: file.sha256} if file else {}
        self.notes = trust_notes(file) if file else ("weights loaded by torch-fidelity itself",)
        module = _load(network, kind, [layer, *logits], file)
        if network == "inception":
            _fold_batch_norms(module)
        self._network = module.to(device=device, memory_format=torch.channels_last)

    def extract(self, images: UInt8[np.ndarray, "n 3 h w"], batch_size: int) -> Record:
        """Return ``features`` (n, d) and, from the Inception, ``logits`` (n, 1008), float32."""
        arrays = in_batches(self._network, images, batch_size, self._device)
        return dict(zip(self._outputs, arrays, strict=True))


def trust_notes(file: WeightFile) -> tuple[str, ...]:
    """Return the note that belongs to weights whose digest is not the manifest's."""
    if not file.on_trust:
        return ()
    return (f"weights {file.name} taken on trust: sha256 {file.sha256[:12]}… is not the known one",)


def load_state(file: WeightFile) -> dict[str, torch.Tensor]:
    """Return the tensors of a weight file; nothing in it is executed."""
    try:
        state = torch.load(file.path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged or hostile file provokes
        raise BadInput(
            f"{file.path} is damaged or holds more than tensors: "
            "give a state dict as torch.save writes it."
        ) from error
    if not isinstance(state, dict) or not all(_is_named_tensor(item) for item in state.items()):
        raise BadInput(f"{file.path} does not hold named tensors: give a network's state dict.")
    return state


def _is_named_tensor(item: tuple[object, object]) -> bool:
    return isinstance(item[0], str) and isinstance(item[1], torch.Tensor)


def _load(network: str, kind: Any, layers: list[str], file: WeightFile | None) -> Any:
    """Return torch-fidelity's `network`, which raises whatever its weights' names provoke."""
    try:
        return kind(network, layers, **_options(file))
    except (OSError, RuntimeError) as error:
        if file is None:
            message = f"torch-fidelity could not load the weights of {network}: {error}."
        else:
            message = f"{file.path} does not fit {network}: give {MANIFEST[network].url}."
        raise BadInput(message) from error


def _find(network: str, weights: WeightSource) -> WeightFile | None:
    if network in MANIFEST:
        return weights.find(network)
    if not weights.trust:
        raise BadInput(
            f"torch-fidelity loads the weights of {network} by itself, and facebench does not know "
            "their digest: add --trust-weights to allow it."
        )
    return None


def _options(file: WeightFile | None) -> dict[str, Any]:
    """Return what torch-fidelity needs to load `file`, which it would unpickle without care.

    What it unpickles is therefore not the file, but our own copy of the tensors in it.
    """
    if file is None:
        return {"verbose": False}
    copy = io.BytesIO()
    torch.save(load_state(file), copy)
    copy.seek(0)
    return {"feature_extractor_weights_path": copy, "verbose": False}


def _fold_batch_norms(module: nn.Module) -> None:
    for block in module.modules():
        if isinstance(block, BasicConv2d):
            block.conv = fuse_conv_bn_eval(block.conv, block.bn)
            block.bn = nn.Identity()
