"""What the numbers were made with: versions, code, weights and device."""

import contextlib
import platform
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

import facebench
from facebench.features.extractor import Extractor

_PACKAGES = (
    *("torch", "torchvision", "torch-fidelity", "torchmetrics", "lpips"),
    # sample and decode images, where installed
    *("numpy", "scipy", "pillow", "keras", "tensorflow", "onnxruntime", "scikit-learn"),
    *("dlib-bin", "dlib", "opencv-python-headless", "opencv-python"),
    *("diffusers", "jax", "jaxlib", "tensorflow-cpu", "tensorflow-gpu", "onnxruntime-gpu"),
)

_ROOMS = (
    *("cache", "data", "faces", "features", "numerics", "pairs", "plugins", "samplers", "sandbox"),
    "synth",  # on whose faces a user's face model is tried
)
FEATURE_CODE = (
    *("*.py", *(f"{room}/*.py" for room in _ROOMS)),
    *("engine/extract.py", "engine/block.py", "engine/pairing.py", "engine/sanity.py"),
)
"""What of facebench images and features come from: its content counts, for its version stays the
same while somebody works on it."""


@cache
def versions() -> dict[str, str]:
    """Return the versions of all that images and features come from."""
    installed = {"facebench": f"{facebench.__version__} {code_digest()[:12]}"}
    for package in _PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            installed[package] = version(package)
    return installed


def code_digest(folder: Path = Path(facebench.__file__).parent) -> str:
    """Return the sha256 of `FEATURE_CODE` in the package's folder."""
    files = sorted({file for pattern in FEATURE_CODE for file in folder.glob(pattern)})
    return sha256(b"\0".join(map(Path.read_bytes, files))).hexdigest()


def describe_environment(extractors: Sequence[Extractor], device: str) -> dict[str, str]:
    """Return versions by package, each weight file's digest, and the device's name."""
    weights = {
        f"weights {name}": digest
        for extractor in extractors
        for name, digest in extractor.weights.items()
    }
    return (
        versions()
        | weights
        | {
            "python": platform.python_version(),
            "device": device_name(device),
        }
    )


def device_name(device: str) -> str:
    """Return what computes, and its model: which of several GPUs makes no difference."""
    kind = device.partition(":")[0]
    hardware = torch.cuda.get_device_name(device) if kind == "cuda" else platform.machine()
    return f"{kind} ({hardware})"
