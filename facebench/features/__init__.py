"""Extractors: images in, features out; resizing and normalising happen inside them only."""

import warnings
from typing import TYPE_CHECKING

from facebench.errors import BadInput
from facebench.features.resize import WAYS, Resize

if TYPE_CHECKING:
    from facebench.features.extractor import Extractor
    from facebench.numerics.precision import Precision
    from facebench.weights import WeightSource

OURS = ("portrait", "random", "inception", "dinov2", "clip")
WITHOUT_DOWNLOAD = ("portrait", "random")


def create(
    name: str,
    weights: "WeightSource",
    device: str,
    resize: Resize | None = None,
    precision: "Precision" = "fp32",
    compiled: bool = False,
    load: bool = True,
) -> "Extractor":
    """Return the extractor called `name`.

    ``inception``, ``inception@LAYER``, ``dinov2``, ``clip``, ``portrait``, ``random``, any of
    torch-fidelity's by its own name, or a user's own ``MODULE:FUNCTION`` (see
    :mod:`facebench.features.custom`). It resizes in its own way, or in another of its WAYS. Only
    Inception is `compiled`. Without `load`,
    known weights are found now and loaded when the first image comes.
    """
    network, _, layer = name.partition("@")
    _check_resize(name, network, resize)
    if network == "inception":
        from facebench.features.inception import InceptionFeatures

        return InceptionFeatures(layer, weights, device, resize or "tf1", precision, compiled, load)
    if compiled:
        raise BadInput(f"{name} runs as it is: --compile is for inception only.")
    if name == "dinov2":
        from facebench.features.dinov2 import DINOv2Features

        return DINOv2Features(weights, device, resize, precision, load)
    if name == "clip":
        from facebench.features.clip import CLIPFeatures

        return CLIPFeatures(weights, device, precision, load)
    if ":" in name:
        from facebench.features.custom import CustomFeatures

        return CustomFeatures(name, device, precision)
    if name == "portrait":
        from facebench.features.portrait import PortraitFeatures

        return PortraitFeatures(device, precision)
    if name == "random":
        from facebench.features.random import RandomFeatures

        return RandomFeatures(device, precision)
    from facebench.features.torch_fidelity import FidelityFeatures, networks

    if network not in networks():
        raise BadInput(
            f"There is no extractor {name!r}; there are: {', '.join([*OURS, *networks()])}, "
            "or your own as MODULE:FUNCTION or FILE.py:FUNCTION."
        )
    return FidelityFeatures(network, layer, weights, device, precision, load)


def default_extractor(weights: "WeightSource") -> str:
    """Return ``inception`` or, with a warning where its weights cannot be had, ``portrait``."""
    from facebench.weights import NoWeights

    try:
        weights.find("inception")
    except NoWeights as missing:
        told = "Meanwhile the features are portrait's: their distances are no FID."
        warnings.warn(f"{missing} {told}", stacklevel=2)
        return "portrait"
    return "inception"


def _check_resize(name: str, network: str, resize: Resize | None) -> None:
    if resize is None or resize in WAYS.get(network, ()):
        return
    (home,) = [extractor for extractor, ways in WAYS.items() if resize in ways]
    raise BadInput(f"{name} resizes images in its own way: {resize} is for {home} only.")
