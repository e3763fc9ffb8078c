"""What a GPU does in a step, recorded once and played back (CUDA graphs).

The reference networks are small: a GPU computes their kernels faster than the program asks for
them, and idles for nine tenths of a step. Played back, all of them are asked for at once.
"""

import warnings
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

Tensors = Mapping[str, Tensor]
Function = Callable[[Tensors], Tensors]
WARM_UP = 3
"""Calls before one is recorded, in which libraries choose and allocate what they need."""


def can_record(device: torch.device) -> bool:
    """Return whether what `device` does can be recorded."""
    return device.type == "cuda"


def recorded(function: Function, device: torch.device) -> Function:
    """Return `function`, recorded where `device` can do that; see :class:`Recorded`."""
    return Recorded(function) if can_record(device) else function


class Recorded:
    """Calls `function`, and from its fourth call on plays back what the GPU did in it.

    It must take and return tensors of that GPU, of the same shapes every time, change what it keeps
    in place, and never wait for the GPU. Numbers of Python's that it uses stay as they were.
    """

    def __init__(self, function: Function):
        self._function = function
        self._calls = 0
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: Tensors = {}
        self._outputs: Tensors = {}

    def __call__(self, inputs: Tensors) -> Tensors:
        """Return what `function` makes of `inputs`, in tensors of their own."""
        self._calls += 1
        if self._calls <= WARM_UP:
            return self._aside(inputs)
        if self._calls == WARM_UP + 1:
            self._record(inputs)
        return self._function(inputs) if self._graph is None else self._played(inputs)

    def _aside(self, inputs: Tensors) -> Tensors:
        """Call it on the stream on which it will be recorded, as gradients want it."""
        current = torch.cuda.current_stream()
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            outputs = self._function(inputs)
        current.wait_stream(self._stream)
        return outputs

    def _record(self, inputs: Tensors) -> None:
        """Record a call, in which nothing is computed; where that fails, say so and do without."""
        self._inputs = {name: tensor.clone() for name, tensor in inputs.items()}
        graph = torch.cuda.CUDAGraph()
        try:
            # Whatever other threads ask the GPU meanwhile is no part of it.
            with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
                self._outputs = self._function(self._inputs)
        except RuntimeError as error:
            reason = str(error).strip().partition("\n")[0]
            warnings.warn(f"Steps cannot be recorded here ({reason}).", stacklevel=2)
        else:
            self._graph = graph

    def _played(self, inputs: Tensors) -> Tensors:
        assert self._graph is not None
        for name, kept in self._inputs.items():
            assert kept.shape == inputs[name].shape, f"{name} changed its shape"
            kept.copy_(inputs[name])
        self._graph.replay()
        return {name: tensor.clone() for name, tensor in self._outputs.items()}
