"""``torch:``, ``torchscript:`` and ``export:``: PyTorch networks in the three ways they are saved.

State dictionaries are read by safetensors or by ``weights_only=True``; a TorchScript file is a
program in a language of its own, which runs (see SECURITY.md).
"""

import warnings
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from facebench.errors import BadInput
from facebench.plugins.user_code import call, import_function
from facebench.samplers.pixels import Pixels
from facebench_models.exported import latents_of, load_program
from facebench_models.feeding import Network
from facebench_models.kinds import EXPORTED, TORCHSCRIPT
from facebench_models.network import (
    Graph,
    GraphSampler,
    NetworkSampler,
    latent_shape,
    reading,
    refuse_others,
)
from facebench_models.state import give_weights


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
        output: str = "",
        key: str = "",
        unused: str = "refuse",
    ):
        """Build the module with ``code()`` and give it the weights at `path`.

        Args:
            path: a state dictionary, ``.safetensors`` or of ``torch.save``, or what holds one.
            code: ``module:function`` or ``file.py:function``; the function takes nothing and
                returns the module.
            latent: distribution of the latents.
            size: of one latent, as in 100 or 100x1x1.
            range: of the output.
            layout: of the output.
            output: which of several outputs the images are.
            key: where in the file the weights are, if it holds several that fit.
            unused: "allow" weights that the module has no place for, such as an encoder's.
        """
        if not code or code == str(path):
            raise BadInput(
                "torch: takes a function and its weights: torch:MODULE:FUNCTION@PATH or "
                "torch:FILE.py:FUNCTION@PATH."
            )
        if unused not in ("refuse", "allow"):
            raise BadInput(f"There is no unused={unused!r}; there are: refuse, allow.")
        network = _built(code)
        give_weights(network, path, key, unused == "allow")
        run = _of_arrays(network.eval(), chain(network.parameters(), network.buffers()))
        shape = latent_shape(size, (), path)
        super().__init__(run, shape, Pixels(range, layout), latent, output=output)


class TorchScriptSampler(GraphSampler):
    """A TorchScript file, as of ``torch.jit.save``."""

    def open(self, path: Path) -> Graph:
        """Return its network; of the shape of latents it says nothing."""
        with reading(path, TORCHSCRIPT), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that TorchScript as such is deprecated
            network = torch.jit.load(path, map_location="cpu").eval()  # type: ignore[no-untyped-call]
            return Graph(_of_arrays(network, _tensors(network)))


class ExportSampler(GraphSampler):
    """A ``.pt2`` of ``torch.export.save``, vetted before PyTorch reads it."""

    def open(self, path: Path) -> Graph:
        """Return its network, of one batch size if it was exported for one only."""
        refuse_others(path, EXPORTED)
        with reading(path, EXPORTED), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that guards were left out
            program = load_program(path)
            latents = latents_of(path, program)
            network = program.module(check_guards=False)
        return Graph(_of_arrays(network, [latents]), latents.shape)


def _built(code: str) -> nn.Module:
    """Return the module that the user's function builds, or that it is."""
    made = import_function(code)
    network = made if isinstance(made, nn.Module) else call(code, made)
    if not isinstance(network, nn.Module):
        raise BadInput(
            f"{code} returned {type(network).__name__}, not a torch module: name a function that "
            "returns one."
        )
    return network


def _tensors(network: Any) -> Iterator[Tensor]:
    """Yield a script's weights; a frozen one has them as constants."""
    yield from network.parameters()
    yield from network.buffers()
    graph = network.inlined_graph  # which nodes do not keep alive
    for node in graph.findAllNodes("prim::Constant"):
        if node.hasAttribute("value") and node.kindOf("value") == "t":
            yield node.t("value")


def _of_arrays(network: Any, tensors: Iterable[Tensor]) -> Network:
    """Return `network` as one of arrays, on the device and in the type of the first of `tensors`.

    Args:
        network: of tensors.
        tensors: its weights, or its latents.
    """
    real = (x for x in tensors if x.ndim and x.is_floating_point())
    device, dtype = next(((x.device, x.dtype) for x in real), ("cpu", torch.float32))

    @torch.inference_mode()
    def run(z: np.ndarray) -> Any:
        return network(torch.from_numpy(np.ascontiguousarray(z)).to(device, dtype))

    return run
