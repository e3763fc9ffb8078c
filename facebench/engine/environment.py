"""What the numbers were made with: versions and device."""

import platform
from importlib.metadata import version

import torch

from facebench.engine.setting import Setting

_PACKAGES = ("facebench", "torch", "torchvision", "torch-fidelity", "lpips", "numpy")


def describe_environment(setting: Setting) -> dict[str, str]:
    """Return versions by package, each weight file's digest, and the device's name."""
    versions = {name: version(name) for name in _PACKAGES}
    weights = {
        f"weights {name}": digest
        for extractor in setting.extractors
        for name, digest in extractor.weights.items()
    }
    on_gpu = setting.device.startswith("cuda")
    hardware = torch.cuda.get_device_name(setting.device) if on_gpu else platform.machine()
    device = {"python": platform.python_version(), "device": f"{setting.device} ({hardware})"}
    return versions | weights | device
