"""What the numbers were made with: versions and device."""

import platform

import torch

from facebench.engine.context import Context
from facebench.engine.versions import versions


def describe_environment(context: Context) -> dict[str, str]:
    """Return versions by package, each weight file's digest, and the device's name."""
    weights = {
        f"weights {name}": digest
        for extractor in context.extractors
        for name, digest in extractor.weights.items()
    }
    kind = context.device.partition(":")[0]  # which of several GPUs makes no difference
    on_gpu = kind == "cuda"
    hardware = torch.cuda.get_device_name(context.device) if on_gpu else platform.machine()
    device = {"python": platform.python_version(), "device": f"{kind} ({hardware})"}
    return versions() | weights | device
