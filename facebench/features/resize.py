"""The ways to resize images that extractors know."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

Resize = Literal["tf1", "torch", "pil-bicubic", "pil-bytes"]
"""How images are resized: as in TensorFlow 1, PyTorch or Pillow, with fractions or to bytes."""
WAYS: Mapping[str, tuple[Resize, ...]] = MappingProxyType(
    {"inception": ("tf1", "torch", "pil-bicubic"), "dinov2": ("pil-bytes",)}
)
"""Which extractors are known under several ways to resize, and by what names."""
