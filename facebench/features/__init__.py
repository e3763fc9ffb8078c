"""Extractors: images in, features out; resizing and normalising happen inside them only."""

from typing import TYPE_CHECKING

from facebench.errors import BadInput

if TYPE_CHECKING:
    from facebench.features.extractor import Extractor
    from facebench.weights import WeightSource


def create(name: str, weights: "WeightSource", device: str) -> "Extractor":
    """Return the extractor called `name`.

    ``inception``, ``inception@LAYER``, ``random``, or any of torch-fidelity's by its own name.
    """
    if name == "random":
        from facebench.features.random import RandomFeatures

        return RandomFeatures(device)
    from facebench.features.fidelity import FidelityFeatures, networks

    network, _, layer = name.partition("@")
    if network not in networks():
        raise BadInput(
            f"There is no extractor {name!r}; there are: random, {', '.join(networks())}."
        )
    return FidelityFeatures(network, layer, weights, device)
