"""What a learner of PyTorch is, as arrays: weights, and the moments of its optimisers."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from facebench.training.learner import State

Parts = Mapping[str, nn.Module | torch.optim.Adam]
"""Networks and optimisers, by what the names of their arrays begin with."""


def arrays_of(parts: Parts) -> State:
    """Return copies of all arrays of `parts`, by ``PART/NAME``."""
    return {
        f"{part}/{name}": tensor.detach().cpu().numpy().copy()
        for part, owner in parts.items()
        for name, tensor in _tensors(owner).items()
    }


def restore(parts: Parts, state: State) -> None:
    """Take up what `arrays_of` returned."""
    for part, owner in parts.items():
        prefix = f"{part}/"
        tensors = {
            name.removeprefix(prefix): torch.from_numpy(array)
            for name, array in state.items()
            if name.startswith(prefix)
        }
        if isinstance(owner, nn.Module):
            owner.load_state_dict(tensors)
        else:
            _restore_moments(owner, tensors)


def _tensors(owner: nn.Module | torch.optim.Adam) -> Mapping[str, Tensor]:
    if isinstance(owner, nn.Module):
        return owner.state_dict()
    return {
        f"{index}/{name}": tensor
        for index, values in owner.state_dict()["state"].items()
        for name, tensor in values.items()
    }


def _restore_moments(adam: torch.optim.Adam, tensors: Mapping[str, Tensor]) -> None:
    moments: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        index, _, name = key.partition("/")
        moments.setdefault(int(index), {})[name] = tensor
    adam.load_state_dict(adam.state_dict() | {"state": moments})
    for weights, kept in adam.state.items():  # one kernel reads them all in one order
        for name in ("exp_avg", "exp_avg_sq"):
            kept[name] = torch.empty_like(weights).copy_(kept[name])
