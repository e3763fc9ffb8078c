"""Extractors: images in, features out; resizing and normalising happen inside them only."""

from typing import TYPE_CHECKING, Literal

from facebench.errors import BadInput

if TYPE_CHECKING:
    from facebench.features.extractor import Extractor
    from facebench.numerics.precision import Precision
    from facebench.weights import WeightSource

Resize = Literal["tf1", "torch", "pil-bicubic"]
"""How Inception's images are resized: as in TensorFlow 1, PyTorch or Pillow."""


def create(
    name: str,
    weights: "WeightSource",
    device: str,
    resize: Resize = "tf1",
    precision: "Precision" = "fp32",
    compiled: bool = False,
    load: bool = True,
) -> "Extractor":
    """Return the extractor called `name`.

    ``inception``, ``inception@LAYER``, ``random``, any of torch-fidelity's by its own name, or a
    user's own ``MODULE:FUNCTION`` (see :mod:`facebench.features.custom`). Only Inception is known
    under several ways to `resize`, and only it is `compiled`. Without `load`, known weights are
    found now and loaded when the first image comes.
    """
    network, _, layer = name.partition("@")
    if network == "inception":
        from facebench.features.inception import InceptionFeatures

        return InceptionFeatures(layer, weights, device, resize, precision, compiled, load)
    if resize != "tf1":
        raise BadInput(f"{name} resizes images in its own way: {resize} is for inception only.")
    if compiled:
        raise BadInput(f"{name} runs as it is: --compile is for inception only.")
    if ":" in name:
        from facebench.features.custom import CustomFeatures

        return CustomFeatures(name, device, precision)
    if name == "random":
        from facebench.features.random import RandomFeatures

        return RandomFeatures(device, precision)
    from facebench.features.torch_fidelity import FidelityFeatures, networks

    if network not in networks():
        raise BadInput(
            f"There is no extractor {name!r}; there are: random, inception, "
            f"{', '.join(networks())}, or your own as MODULE:FUNCTION or FILE.py:FUNCTION."
        )
    return FidelityFeatures(network, layer, weights, device, precision, load)
