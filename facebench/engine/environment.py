"""What the numbers were made with: versions and device."""

import platform

import torch

from facebench.engine.setting import Setting
from facebench.engine.versions import versions


def describe_environment(setting: Setting) -> dict[str, str]:
    """Return versions by package, each weight file's digest, and the device's name."""
    weights = {
        f"weights {name}": digest
        for extractor in setting.extractors
        for name, digest in extractor.weights.items()
    }
    kind = setting.device.partition(":")[0]  # which of several GPUs makes no difference
    on_gpu = kind == "cuda"
    hardware = torch.cuda.get_device_name(setting.device) if on_gpu else platform.machine()
    device = {"python": platform.python_version(), "device": f"{kind} ({hardware})"}
    return versions() | weights | device
