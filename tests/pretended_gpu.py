"""A pretended GPU: tensors that say they are on cuda:0 and obey its rules, while the CPU computes.

    with pretended_gpu() as gpu:
        x = torch.from_numpy(array).to("cuda")      # x.device.type == "cuda"
        with gpu.never_waiting():
            step()                                  # .item(), .cpu() and the like are refused

It finds what only a GPU would otherwise: two devices in one operation, ``.numpy()`` of device
memory, a tensor made on the wrong device, an answer that is read before it has arrived, a loop that
waits for the device in every step. Values are the CPU's, so results compare to the bit. It knows
nothing of speed, streams, TF32, cuDNN or memory.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
from pretended_backward import backward, grad
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

CUDA = torch.device("cuda", 0)
MEMORY = 8 << 30
"""Bytes that the card says it has."""

# Whose answer the program needs to go on: on a GPU it waits for all that was asked before.
_WAITS = (
    *("aten::_local_scalar_dense", "aten::equal", "aten::is_nonzero", "aten::nonzero"),
    *("aten::masked_select", "aten::_unique2", "aten::unique_dim", "aten::bincount"),
)
# Which take their indices from either device.
_INDEXES = ("aten::index.Tensor", "aten::index_put", "aten::_index_put_impl_")


class PretendedGPU(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While it is on, ``device="cuda"`` makes pretended tensors."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations = 0
        """How many were done on the device."""
        self.waits = 0
        """How often the program has waited for an answer."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})

    @contextmanager
    def never_waiting(self, sending: bool = False) -> Iterator[None]:
        """Refuse whatever makes the program wait for the device.

        With `sending`, that is also what is sent there from ordinary memory, numbers included:
        such a copy waits for all that was asked before.
        """
        before = _State.is_waiting_refused, _State.is_sending_refused
        _State.is_waiting_refused, _State.is_sending_refused = True, sending
        try:
            yield
        finally:
            _State.is_waiting_refused, _State.is_sending_refused = before


class _State:
    """Of the one card there is: a mode is of one thread, and tensors pass between threads."""

    gpu: PretendedGPU | None = None
    is_waiting_refused = False
    is_sending_refused = False
    on_their_way: list[Callable[[], object]] = []  # noqa: RUF012 - it is the card's
    arrived = 0
    """How many copies were on their way once."""
    arriving = threading.RLock()
    """Held while they arrive: whoever waits goes on when they have."""


@contextmanager
def pretended_gpu() -> Iterator[PretendedGPU]:
    """Pretend that torch sees one GPU."""
    torch._C._ensureCUDADeviceGuardSet()
    before = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)  # no half-moved shells
    torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor(…, device="cuda") shows its copy
    cudnn = torch.backends.cudnn.enabled
    torch.backends.cudnn.enabled = False  # its batch norm is another operation
    properties = SimpleNamespace(name="a pretended GPU", total_memory=MEMORY)
    answers = {
        "_lazy_init": None,  # naming the device must not look for a driver
        "is_available": True,
        "device_count": 1,
        "current_device": 0,
        "set_device": None,
        "get_device_name": properties.name,
        "get_device_properties": properties,
        "get_device_capability": (9, 0),
        "is_bf16_supported": True,
        "reset_peak_memory_stats": None,
        "max_memory_allocated": 0,
        "empty_cache": None,
        "current_stream": None,
    }
    with ExitStack() as stack:
        for name, answer in answers.items():
            stack.enter_context(patch.object(torch.cuda, name, _always(answer)))
        stack.enter_context(patch.object(torch.cuda, "synchronize", _arrive))
        stack.enter_context(patch.object(torch.cuda, "Event", _Event))
        stack.enter_context(patch("facebench.training.recorded.can_record", _always(False)))
        stack.enter_context(patch.object(torch, "Generator", _Generator))
        stack.enter_context(patch.object(torch.autograd, "backward", backward))
        stack.enter_context(patch.object(torch.autograd, "grad", grad))
        stack.enter_context(patch.object(torch.Tensor, "pin_memory", _pinned))
        stack.enter_context(patch.object(torch.Tensor, "is_pinned", _is_pinned))
        _State.gpu = stack.enter_context(PretendedGPU())
        try:
            yield _State.gpu
        finally:
            _State.gpu = None
            _State.on_their_way.clear()
            torch._C._set_only_lift_cpu_tensors(False)
            torch.backends.cudnn.enabled = cudnn
            torch.__future__.set_overwrite_module_params_on_conversion(before)


class _OnCuda(torch.Tensor):
    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> "_OnCuda":
        with torch.inference_mode(False):  # views of what is older could not be made otherwise
            made: Any = torch.Tensor._make_wrapper_subclass(
                cls,
                inner.shape,
                strides=inner.stride(),
                storage_offset=inner.storage_offset(),
                dtype=inner.dtype,
                device=CUDA,
            )
        made.inner = inner
        return made

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return _run(func, args, kwargs or {})


class _Event:
    """Whoever waits for an event has all that was asked for before it was recorded."""

    def __init__(self, **options: object):
        self._asked_for = 0

    def record(self, stream: object = None) -> None:
        with _State.arriving:
            self._asked_for = _State.arrived + len(_State.on_their_way)

    def synchronize(self) -> None:
        with _State.arriving:
            while _State.on_their_way and _State.arrived < self._asked_for:
                _arrive_next()

    def query(self) -> bool:
        self.synchronize()
        return True

    def elapsed_time(self, other: object) -> float:
        return 1.0


class _Generator(torch.Generator):
    """The CPU's, whatever device it is for."""

    def __new__(cls, device: object = "cpu") -> "_Generator":
        return super().__new__(cls)


def _always(answer: Any) -> Callable[..., Any]:
    return lambda *_, **__: answer


def _arrive(*_: object) -> None:
    """Let everything that is on its way be there."""
    with _State.arriving:
        while _State.on_their_way:
            _arrive_next()


def _arrive_next() -> None:
    _State.arrived += 1
    _State.on_their_way.pop(0)()


def _pinned(self: torch.Tensor, *_: object) -> torch.Tensor:
    copy = self.clone()
    copy._is_pinned = True  # type: ignore[attr-defined]
    return copy


def _is_pinned(self: torch.Tensor, *_: object) -> bool:
    owner = self if self._base is None else self._base
    return getattr(owner, "_is_pinned", False)


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    name = func.name()
    if name.startswith("aten::to.") and _State.gpu:  # which inference mode leaves whole
        with _State.gpu:
            return func.decompose(*args, **kwargs)
    is_pinned = kwargs.get("pin_memory")
    kwargs = {key: value for key, value in kwargs.items() if key != "pin_memory"}
    tensors = [t for t in tree_flatten((args, kwargs))[0] if isinstance(t, torch.Tensor)]
    there = [t for t in tensors if isinstance(t, _OnCuda)]
    if there and name == "aten::_has_compatible_shallow_copy_type":
        return len(there) == len(tensors)  # asked when a module moves
    is_copy, is_move = name == "aten::_to_copy", name == "aten::copy_"
    if there and not (is_copy or is_move):
        _refuse_what_is_elsewhere(name, args, tensors)
    is_there = _is_for_cuda(name, args, kwargs, there)
    if there and (name.partition(".")[0] in _WAITS):
        _wait(name)
    if is_there and (is_copy or is_move):
        _send(args[0 if is_copy else 1], bool(kwargs.get("non_blocking")) or True in args[2:])
    wanted = kwargs.get("device")
    inner_args, inner_kwargs = tree_map(_inner, args), tree_map(_inner, kwargs)
    if is_copy:
        inner_kwargs = {k: v for k, v in inner_kwargs.items() if k in ("dtype", "memory_format")}
    found = func(*inner_args, **inner_kwargs)
    is_unwaited = bool(kwargs.get("non_blocking")) or (is_move and True in args[2:])
    if not is_there:
        if there and ((is_copy and wanted is not None) or is_move):
            return _fetched(found, is_unwaited)
        if is_pinned:
            found._is_pinned = True
        return found
    if is_unwaited and _is_pinned(source := args[1 if is_move else 0]):
        _leave_alone_until_it_arrives(source)
    if _State.gpu:
        _State.gpu.operations += 1
    known = {id(t.inner): t for t in there}  # in-place operations return their argument
    return tree_map(
        lambda x: known.get(id(x), _OnCuda(x)) if isinstance(x, torch.Tensor) else x, found
    )


def _is_for_cuda(name: str, args: Any, kwargs: dict[str, Any], there: list[Any]) -> bool:
    """Say where the answer lies."""
    if kwargs.get("device") is not None:
        return torch.device(kwargs["device"]).type == "cuda"
    if name == "aten::copy_":
        return isinstance(args[0], _OnCuda)
    return bool(there)


def _refuse_what_is_elsewhere(name: str, args: Any, tensors: list[torch.Tensor]) -> None:
    if name.partition(".")[0] in {each.partition(".")[0] for each in _INDEXES}:
        indices = {id(t) for t in tree_flatten(args[1])[0]}  # of these, either device will do
        tensors = [t for t in tensors if id(t) not in indices]
    if any(t.dim() and not isinstance(t, _OnCuda) for t in tensors):
        raise RuntimeError(f"{name}: expected all tensors on one device, found cuda:0 and cpu")


def _send(source: torch.Tensor, non_blocking: bool) -> None:
    is_free = non_blocking and source.is_pinned()
    if _State.is_sending_refused and not isinstance(source, _OnCuda) and not is_free:
        raise RuntimeError("a copy from ordinary memory makes the program wait for the GPU")


def _wait(name: str) -> None:
    if _State.is_waiting_refused:
        raise RuntimeError(f"{name} makes the program wait for the GPU")
    if _State.gpu:
        _State.gpu.waits += 1
    _arrive()


def _leave_alone_until_it_arrives(source: torch.Tensor) -> None:
    """Refuse that pinned memory is filled anew while a GPU may still be copying it."""
    content = source.clone()

    def check() -> None:
        if _bytes(content).ne(_bytes(source)).any():
            raise RuntimeError("pinned memory was filled again before its copy had arrived")

    _State.on_their_way.append(check)


def _bytes(values: torch.Tensor) -> torch.Tensor:
    return values.reshape(-1).view(torch.uint8)  # of which none is NaN


def _fetched(value: torch.Tensor, non_blocking: bool) -> torch.Tensor:
    """Return what was copied to the host: at once by waiting, or nonsense until it is there."""
    if not non_blocking:
        _wait("a copy to the host")
        return value
    content = value.clone()
    value.fill_(torch.nan if value.is_floating_point() else 77)
    _State.on_their_way.append(lambda: value.copy_(content))
    return value


def _inner(x: Any) -> Any:
    if isinstance(x, _OnCuda):
        return x.inner
    if isinstance(x, torch.nn.Parameter):
        return x.data
    return torch.device("cpu") if isinstance(x, torch.device) and x.type == "cuda" else x
