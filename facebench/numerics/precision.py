"""In which arithmetic networks compute: exact float32, or a faster one that the result names."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Literal

import torch

Precision = Literal["fp32", "tf32", "bf16"]
"""float32 throughout; its products rounded to TF32 on GPUs that have it; bfloat16."""


@contextmanager
def arithmetic(precision: Precision, device: str) -> Iterator[None]:
    """Compute in `precision`, and restore what the user had set.

    bfloat16 is torch's autocast: products and convolutions in it, sums and roots in float32.
    """
    place = torch.device(device).type
    bfloat16 = torch.autocast(place, torch.bfloat16) if precision == "bf16" else nullcontext()
    with _products("tf32" if precision == "tf32" else "ieee"), bfloat16:
        yield


def exact_float32() -> Any:
    """Switch TF32 and bfloat16 off in float32 arithmetic, and restore what the user had set."""
    return _products("ieee")


@contextmanager
def _products(precision: str) -> Iterator[None]:
    """Switch by what torch 2.9 offers: the older switches cannot be read once these are set."""
    of: Any = torch.backends
    switches = (of.cuda.matmul, of.cudnn.conv, of.mkldnn.matmul, of.mkldnn.conv)
    before = [switch.fp32_precision for switch in switches]
    try:
        for switch in switches:
            switch.fp32_precision = precision
        yield
    finally:
        for switch, earlier in zip(switches, before, strict=True):
            switch.fp32_precision = earlier


def layout(precision: Precision, device: str) -> torch.memory_format:
    """Return how images lie in memory where convolutions in `precision` are fastest.

    On an H200 Inception in exact float32 does 2,506 images/s contiguous and 2,135 by channels_last;
    in TF32 and bfloat16 5,990 and 7,770, 7,558 and 10,234 (`make gpu`). CPUs want channels_last.

    >>> layout("fp32", "cuda:0"), layout("tf32", "cuda"), layout("fp32", "cpu")
    (torch.contiguous_format, torch.channels_last, torch.channels_last)
    """
    is_exact = precision == "fp32" and torch.device(device).type == "cuda"
    return torch.contiguous_format if is_exact else torch.channels_last
