"""``torch:``, ``torchscript:`` and ``export:``: PyTorch networks in the three ways they are saved.

State dictionaries are read by safetensors or by ``weights_only=True``; a TorchScript file is a
program in a language of its own, which runs (see SECURITY.md).
"""

import warnings
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.export.passes import move_to_device_pass

from facebench.errors import BadInput
from facebench.plugins.user_code import call, import_function
from facebench.sampler import Images
from facebench_models.exported import inputs_of, load_program
from facebench_models.kinds import EXPORTED, TORCHSCRIPT, reading, refuse_others
from facebench_models.network import Loaded, NetworkSampler
from facebench_models.state import give_weights
from facebench_models.translation import INPUTS, NetworkTranslator


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
        device: str = "cpu",
    ):
        """Build the module with ``code()`` and give it the weights at `path`.

        `path` is a state dictionary, ``.safetensors`` or of ``torch.save``, or what holds one, and
        `code` is ``module:function`` or ``file.py:function``, which takes nothing and returns the
        module. `key` says where in the file the weights are, if it holds several that fit, and
        `unused` may "allow" weights that the module has no place for, such as an encoder's. The
        rest is as in :class:`NetworkSampler`.
        """
        _check_code(path, code, unused)
        self._code, self._key, self._unused = code, key, unused
        super().__init__(
            path,
            latent=latent,
            size=size,
            range=range,
            layout=layout,
            output=output,
            device=device,
        )

    def load(self, path: Path) -> Loaded:
        """Return the module with its weights; what its code reads is not known."""
        return _load_module(path, self._code, self._key, self._unused, self.device)


class TorchScriptSampler(NetworkSampler):
    """A TorchScript file, as of ``torch.jit.save``."""

    def load(self, path: Path) -> Loaded:
        """Return its network; of the shape of latents it says nothing."""
        return _load_script(path, self.device)


class ExportSampler(NetworkSampler):
    """A ``.pt2`` of ``torch.export.save``, vetted before PyTorch reads it."""

    def load(self, path: Path) -> Loaded:
        """Return its network, of one batch size if it was exported for one only."""
        return _load_exported(path, self.device)


class TorchTranslator(NetworkTranslator):
    """A module that the user's own function builds, from sources to pixels."""

    def __init__(
        self,
        path: Path,
        *,
        code: str = "",
        latent: str = "normal",
        size: str = "",
        range: str = "tanh",
        input_range: str = "",
        layout: str = "NCHW",
        output: str = "",
        key: str = "",
        unused: str = "refuse",
        device: str = "cpu",
        sources: Images,
    ):
        """Build the module and give it its weights, as `TorchSampler` does."""
        _check_code(path, code, unused)
        self._code, self._key, self._unused = code, key, unused
        super().__init__(
            path,
            latent=latent,
            size=size,
            range=range,
            input_range=input_range,
            layout=layout,
            output=output,
            device=device,
            sources=sources,
        )

    def load(self, path: Path) -> Loaded:
        """Return the module with its weights; what its code reads is not known."""
        return _load_module(path, self._code, self._key, self._unused, self.device)


class TorchScriptTranslator(NetworkTranslator):
    """A TorchScript file, from sources to pixels."""

    def load(self, path: Path) -> Loaded:
        """Return its network; of the shapes of what it takes it says nothing."""
        return _load_script(path, self.device)


class ExportTranslator(NetworkTranslator):
    """A ``.pt2`` of ``torch.export.save``, from sources to pixels."""

    def load(self, path: Path) -> Loaded:
        """Return its network."""
        return _load_exported(path, self.device, INPUTS)


TorchSampler.translator = TorchTranslator
TorchScriptSampler.translator = TorchScriptTranslator
ExportSampler.translator = ExportTranslator


def _check_code(path: Path, code: str, unused: str) -> None:
    if not code or code == str(path):
        raise BadInput(
            "torch: takes a function and its weights: torch:MODULE:FUNCTION@PATH or "
            "torch:FILE.py:FUNCTION@PATH."
        )
    if unused not in ("refuse", "allow"):
        raise BadInput(f"There is no unused={unused!r}; there are: refuse, allow.")


def _load_module(path: Path, code: str, key: str, unused: str, device: str) -> Loaded:
    network = _built(code)
    give_weights(network, path, key, unused == "allow")
    network.to(device).eval()
    tensors = chain(network.parameters(), network.buffers())
    return Loaded(_of_arrays(network, tensors, device), files=None)


def _load_script(path: Path, device: str) -> Loaded:
    with reading(path, TORCHSCRIPT), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that TorchScript as such is deprecated
        network = torch.jit.load(path, map_location=device).eval()  # type: ignore[no-untyped-call]
        set_device_of_constants(network, device)
        return Loaded(_of_arrays(network, _tensors(network), device))


def _load_exported(path: Path, device: str, most: int = 1) -> Loaded:
    refuse_others(path, EXPORTED)
    with reading(path, EXPORTED), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that guards were left out
        program = load_program(path)
        inputs = inputs_of(path, program, most)
        # Tensors that the program itself makes have their device written into it.
        network = move_to_device_pass(program, device).module(check_guards=False)
    shape, *others = (each.shape for each in inputs)
    return Loaded(_of_arrays(network, inputs, device), shape, others=others)


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


def set_device_of_constants(network: Any, device: str) -> None:
    """Have a script make its own tensors on `device`: tracing writes down where they were made."""
    for module in network.modules():
        if not hasattr(module, "forward"):  # a list of modules
            continue
        for node in module.graph.findAllNodes("prim::Constant"):
            if node.output().type().kind() == "DeviceObjType":
                node.s_("value", device)


def _tensors(network: Any) -> Iterator[Tensor]:
    """Yield a script's weights; a frozen one has them as constants."""
    yield from network.parameters()
    yield from network.buffers()
    graph = network.inlined_graph  # which nodes do not keep alive
    for node in graph.findAllNodes("prim::Constant"):
        if node.hasAttribute("value") and node.kindOf("value") == "t":
            yield node.t("value")


def _of_arrays(network: Any, tensors: Iterable[Tensor], device: str) -> Callable[..., Any]:
    """Return a `network` on `device` as one of arrays, fed in the type of its `tensors`."""
    types = (x.dtype for x in tensors if x.ndim and x.is_floating_point())
    dtype = next(types, torch.float32)

    @torch.inference_mode()
    def run(*inputs: np.ndarray) -> Any:
        arrays = map(np.ascontiguousarray, inputs)
        return network(*(torch.from_numpy(each).to(device, dtype) for each in arrays))

    return run
