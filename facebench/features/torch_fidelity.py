"""torch-fidelity's feature extractors, loaded without executing anything from outside."""

import io
from functools import cached_property
from typing import Any

import torch

from facebench.errors import BadInput
from facebench.features.extractor import (
    Extractor,
    ImageBatch,
    Tensors,
    in_batches,
    load_state,
    state_digest,
)
from facebench.numerics.precision import Precision
from facebench.weights import MANIFEST, WeightFile, WeightSource

_ELSEWHERE = "inception-v3-compat"  # which is facebench.features.inception


def networks() -> list[str]:
    """Return the names of torch-fidelity's extractors but for Inception."""
    from torch_fidelity.registry import FEATURE_EXTRACTORS_REGISTRY

    return [name for name in FEATURE_EXTRACTORS_REGISTRY if name != _ELSEWHERE]


class FidelityFeatures(Extractor):
    """One layer of one of torch-fidelity's networks."""

    def __init__(
        self,
        network: str,
        layer: str,
        weights: WeightSource,
        device: str,
        precision: Precision = "fp32",
        load: bool = True,
    ):
        """Load `network`; an empty `layer` means the one torch-fidelity's FID uses.

        Without `load`, its weights are found now and loaded when they are needed.
        """
        from torch_fidelity.registry import FEATURE_EXTRACTORS_REGISTRY

        self._kind = FEATURE_EXTRACTORS_REGISTRY[network]
        self._known_as, self.device = network, device
        default = self._kind.get_default_feature_layer_for_metric("fid")
        self.layer = layer or default
        provided = self._kind.get_provided_features_list()
        if self.layer not in provided:
            raise BadInput(f"{network} has no layer {layer!r}; it has: {', '.join(provided)}.")
        self.name = network if self.layer == default else f"{network}@{self.layer}"
        self.arithmetic = self._precision = precision
        self._file = file = _find(network, weights)
        self.weights = {file.name: file.sha256} if file else {network: state_digest(self._network)}
        self.notes = file.notes if file else ("weights loaded by torch-fidelity itself",)
        if load:
            _ = self._network

    @cached_property
    def _network(self) -> Any:
        module = load_network(self._known_as, self._kind, self.layer, self._file)
        return module.to(device=self.device, memory_format=torch.channels_last)

    def compute(self, images: ImageBatch, batch_size: int) -> Tensors:
        """Return ``features`` of shape (n, d), float32."""
        (features,) = in_batches(self._network, images, batch_size, self._precision)
        return {"features": features}


def load_network(network: str, kind: Any, layer: str, file: WeightFile | None) -> Any:
    """Return torch-fidelity's `network`, which raises whatever its weights' names provoke."""
    try:
        return kind(network, [layer], **_options(file))
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
    if weights.is_offline:
        raise BadInput(f"torch-fidelity downloads the weights of {network}, and this is offline.")
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
