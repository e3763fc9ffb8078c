"""torch.autograd.backward and grad for a pretended GPU: torch's engine asks the driver for streams.

The functions of a graph are called from Python, in the engine's order, so that sums have its bits.
Of a step's graph it can what training asks for: a scalar on the device, no hooks.
"""

from collections import Counter
from typing import Any

import torch

_BACKWARD, _GRAD = torch.autograd.backward, torch.autograd.grad


def backward(tensors: Any, *others: Any, **options: Any) -> None:
    """Give every leaf of the graph of a scalar its gradient."""
    if isinstance(tensors, torch.Tensor) and tensors.is_cuda:
        _walk(tensors, {}, create_graph=False)
    else:
        _BACKWARD(tensors, *others, **options)


def grad(outputs: Any, inputs: Any, *others: Any, **options: Any) -> tuple[Any, ...]:
    """Return the gradients of a scalar by `inputs`."""
    if not outputs.is_cuda:
        return _GRAD(outputs, inputs, *others, **options)
    inputs = [inputs] if isinstance(inputs, torch.Tensor) else inputs
    places = [torch.autograd.graph.get_gradient_edge(each) for each in inputs]
    wanted: dict[Any, Any] = {(place.node, place.output_nr): None for place in places}
    _walk(outputs, wanted, bool(options.get("create_graph")))
    return tuple(wanted[place.node, place.output_nr] for place in places)


def _walk(scalar: torch.Tensor, wanted: dict[Any, Any], create_graph: bool) -> None:
    """Fill in the gradients that arrive at `wanted` places; where there are none, at leaves."""
    root: Any = scalar.grad_fn
    arrived = {root: [torch.ones_like(scalar)]}
    waiting = _count_gradients(root)
    ready = [root]
    with torch.set_grad_enabled(create_graph):
        while ready:
            ready.sort(key=_turn)
            function = ready.pop()
            gradients = arrived.pop(function, [])
            for number, gradient in enumerate(gradients):
                if (function, number) in wanted:
                    wanted[function, number] = gradient
            passed = _passed_on(function, gradients, not wanted)
            for (following, number), gradient in zip(function.next_functions, passed, strict=True):
                if gradient is not None and following is not None:
                    _add(arrived, following, number, gradient)
                waiting[following] -= 1
                if following is not None and not waiting[following]:
                    ready.append(following)


def _passed_on(function: Any, gradients: list[Any], fills_leaves: bool) -> Any:
    """Return the gradients that `function` passes to those that follow it."""
    following = function.next_functions
    if not gradients or not (following or fills_leaves):
        return [None] * len(following)
    passed = function(*gradients)
    if not following:  # a leaf's: it has put the gradient there
        return []
    return passed if isinstance(passed, tuple) else (passed,)


def _add(arrived: dict[Any, list[Any]], function: Any, number: int, gradient: Any) -> None:
    about = function._input_metadata
    gradient = gradient.sum_to_size(about[number].shape).to(about[number].dtype)
    sums = arrived.setdefault(function, [None] * len(about))
    sums[number] = gradient if sums[number] is None else sums[number] + gradient


def _count_gradients(root: Any) -> Counter[Any]:
    """Return how many gradients each function of the graph waits for."""
    counts: Counter[Any] = Counter()
    ahead = [root]
    while ahead:
        for function, _ in ahead.pop().next_functions:
            if function is not None and function not in counts:
                ahead.append(function)
            counts[function] += 1
    return counts


def _turn(function: Any) -> tuple[bool, int]:
    """Return what sorts functions by their turn, the next one last: leaves, then the youngest."""
    return not function.next_functions, function._sequence_nr()
