"""``torch:``, ``torchscript:`` and ``export:``: PyTorch networks in the three ways they are saved.

State dictionaries are read by safetensors or by ``weights_only=True``; a TorchScript file is a
program in a language of its own, which runs (see SECURITY.md).
"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from facebench.errors import BadInput
from facebench.pixels import Pixels
from facebench.usercode import import_function
from facebench_models.exported import open_exported
from facebench_models.network import (
    Network,
    NetworkSampler,
    latent_shape,
    reading,
)

_WRAPPERS = ("state_dict", "model_state_dict", "generator", "model")
"""Under which keys training scripts keep a state dictionary beside other things."""


class TorchSampler(NetworkSampler):
    """A module that the user's own function builds, with weights from a file."""

    def __init__(
        self,
        path: Path,
        *,
        code: str = "",
        latent: str = "normal",
        size: str = "",
        range: str = "tanh",
        layout: str = "NCHW",
        unused: str = "refuse",
    ):
        """Build the module with ``code()`` and give it the weights at `path`.

        Args:
            path: a state dictionary, ``.safetensors`` or of ``torch.save``.
            code: ``module:function``; the function takes nothing and returns the module.
            latent: distribution of the latents.
            size: of one latent, as in 100 or 100x1x1.
            range: of the output.
            layout: of the output.
            unused: "allow" weights that the module has no place for, such as an encoder's.
        """
        if not code or code == str(path):
            raise BadInput("torch: takes a function and its weights: torch:MODULE:FUNCTION@PATH.")
        if unused not in ("refuse", "allow"):
            raise BadInput(f"There is no unused={unused!r}; there are: refuse, allow.")
        network = import_function(code)()
        if not isinstance(network, nn.Module):
            raise BadInput(f"{code} returned {type(network).__name__}, not a torch module.")
        _give_weights(network, path, unused == "allow")
        shape = latent_shape(size, None, path)
        super().__init__(_forward(network.eval()), shape, Pixels(range, layout), latent)


class TorchScriptSampler(NetworkSampler):
    """A TorchScript file, as of ``torch.jit.save``."""

    def __init__(
        self,
        path: Path,
        *,
        latent: str = "normal",
        size: str = "",
        range: str = "tanh",
        layout: str = "NCHW",
    ):
        with reading(path, "a TorchScript model"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that TorchScript as such is deprecated
            network = torch.jit.load(path, map_location="cpu").eval()  # type: ignore[no-untyped-call]
        shape = latent_shape(size, None, path)
        super().__init__(_forward(network), shape, Pixels(range, layout), latent)


class ExportSampler(NetworkSampler):
    """A ``.pt2`` of ``torch.export.save``, vetted before PyTorch reads it."""

    def __init__(
        self,
        path: Path,
        *,
        latent: str = "normal",
        size: str = "",
        range: str = "tanh",
        layout: str = "NCHW",
    ):
        with reading(path, "a torch.export program"):
            program = open_exported(path)
            known, batch = program.latent_shape, program.batch
        shape = latent_shape(size, known, path)
        network = _forward(program.module)
        if batch is not None:
            network = _in_batches_of(batch, network)
        super().__init__(network, shape, Pixels(range, layout), latent)


def _forward(network: Any) -> Network:
    @torch.inference_mode()
    def run(z: np.ndarray) -> np.ndarray:
        output = network(torch.from_numpy(np.ascontiguousarray(z)))
        if isinstance(output, tuple | list) and len(output) == 1:
            output = output[0]
        if not isinstance(output, Tensor):
            raise BadInput(f"the network gives {type(output).__name__}, not one tensor of images.")
        output = output.float() if output.is_floating_point() else output
        return output.cpu().numpy()

    return run


def _in_batches_of(size: int, network: Network) -> Network:
    """Run a program of fixed batch size on any number of latents, the last batch filled up."""

    def run(z: np.ndarray) -> np.ndarray:
        fill = -len(z) % size
        filled = np.concatenate([z, np.zeros((fill, *z.shape[1:]), z.dtype)])
        parts = [network(filled[i : i + size]) for i in range(0, len(filled), size)]
        return np.concatenate(parts)[: len(z)]

    return run


def _give_weights(network: nn.Module, path: Path, extra: bool) -> None:
    own = network.state_dict()
    # Counters of BatchNorm, which evaluation has no use for; PyTorch 0.4 had none.
    counters = {name: own[name] for name in own if name.endswith(".num_batches_tracked")}
    state = counters | _state(path)
    missing, unused = own.keys() - state.keys(), state.keys() - own.keys()
    if missing:
        raise BadInput(f"{path} lacks weights that the module has: {_some(missing)}.")
    if unused and not extra:
        raise BadInput(
            f"{path} holds weights that the module has no place for ({_some(unused)}): "
            "correct the function, or add +unused=allow."
        )
    with reading(path, "a state dictionary of that module"):
        network.load_state_dict({name: state[name] for name in own})


def _state(path: Path) -> dict[str, Tensor]:
    with reading(path, "a state dictionary without other objects"):
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    for name in _WRAPPERS:
        if isinstance(state, dict) and isinstance(state.get(name), dict):
            state = state[name]
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise BadInput(f"{path} holds no state dictionary, or one among other things.")
    return {name.removeprefix("module."): tensor for name, tensor in state.items()}


def _some(names: set[str]) -> str:
    shown = sorted(names)[:3]
    return ", ".join(shown) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
