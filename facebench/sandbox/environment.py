"""The environment of a sampler's process: which GPU it sees, and how many threads it takes."""

from collections.abc import Mapping

_DEFAULTS = {
    "OMP_WAIT_POLICY": "passive",  # threads that wait must not take the engine's cores
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # without it cuBLAS may not sum in one order
    "TF_CUDNN_DETERMINISTIC": "1",
    "NVIDIA_TF32_OVERRIDE": "0",  # no library rounds products to TF32: images stay what they are
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",  # else TensorFlow takes the whole GPU
    "PYTHONUNBUFFERED": "1",  # so that a crash loses nothing of what was printed
}
_THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
_ALSO_THREADS = ("MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Which libraries ask before OMP_NUM_THREADS: only what the user asks for goes into them."""


def environment(
    own: Mapping[str, str], device: str, threads: int | None, cores: int
) -> dict[str, str]:
    """Return the environment of a sampler's process.

    Args:
        own: the engine's environment.
        device: the engine's torch device.
        threads: what the user allows; None for `cores`, or whatever `own` says.
        cores: that there are for it.
    """
    asked = dict.fromkeys((*_THREADS, *_ALSO_THREADS), str(threads)) if threads else {}
    default = dict.fromkeys(_THREADS, own.get("OMP_NUM_THREADS") or str(cores))
    cards = {"CUDA_VISIBLE_DEVICES": visible_card(device, own.get("CUDA_VISIBLE_DEVICES"))}
    return _DEFAULTS | default | dict(own) | asked | cards


def visible_card(device: str, visible: str | None) -> str:
    """Return CUDA_VISIBLE_DEVICES for a process that may see the card of `device` only.

    `visible` is the engine's own, in which its cards are counted; None where it sees all of them.

    >>> visible_card("cuda:1", "3,GPU-5ea1"), visible_card("cuda", None), visible_card("cpu", None)
    ('GPU-5ea1', '0', '')
    """
    kind, _, number = device.partition(":")
    if kind != "cuda":
        return ""
    if visible is None:
        return number or "0"
    cards = dict(enumerate(visible.split(",")))
    return cards.get(int(number or "0"), "").strip()


def device_inside(device: str) -> str:
    """Return what the engine's `device` is called in a process that sees no other card.

    >>> device_inside("cuda:3"), device_inside("cpu")
    ('cuda', 'cpu')
    """
    return device.partition(":")[0]
