"""The tensors of a checkpoint, by the keys that lead to them; nothing else in it is made."""

import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from facebench.errors import BadInput
from facebench_models.kinds import CHECKPOINT, SAFETENSORS, kind_of, reading, refuse_others

_WHAT = "a state dictionary without other objects"

Tensors = Mapping[str, Tensor]


def tensors_of(path: Path) -> Tensors:
    """Return all tensors at `path`, ``.safetensors`` or of ``torch.save``, named by their keys."""
    with reading(path, CHECKPOINT, SAFETENSORS, what=_WHAT):
        return dict(_named(_read(path), set()))


def _read(path: Path) -> Any:
    """Return what the file holds, in whatever of the two formats, without running any of it."""
    kind = kind_of(path)
    if kind is SAFETENSORS or (kind is None and path.suffix == ".safetensors"):
        return load_file(path)
    try:
        # By its name, PyTorch would take it for safetensors; and warns before it refuses.
        with path.open("rb") as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(stream, map_location="cpu", weights_only=True)
    except Exception as error:
        refuse_others(path, CHECKPOINT, SAFETENSORS, what=_WHAT)
        if found := re.search(r"GLOBAL (\S+)", str(error)):
            unsafe = f"weights_only={False}"  # said, not done
            raise BadInput(
                f"{path} is not {_WHAT}: it holds {found[1]}, which is code; where you trust it, "
                f"let x = torch.load({path.name!r}, {unsafe}) and save the weights alone, by "
                "torch.save(x.state_dict(), FILE), or x[KEY] if x is a dictionary."
            ) from error
        # PyTorch wraps the cause into advice to load what is unsafe.
        found = re.search(r"Weights\w+ error:\s*(.+)", str(error))
        raise (ValueError(found[1]) if found else error) from error


def _named(value: Any, seen: set[int], name: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yield all tensors by the keys that lead to them, what is there twice by the first of them."""
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, Mapping | list | tuple) and id(value) not in seen:
        seen.add(id(value))  # or a dictionary in itself would have no end
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, each in items:
            yield from _named(each, seen, f"{name}.{key}" if name else str(key))
