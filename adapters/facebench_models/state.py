"""Which of a checkpoint's tensors are a module's: found by names and shapes, not by known keys.

All tensors of the file get one name each, from the keys that lead to them and their own name. The
module's weights are wherever all of its names follow one prefix, be that the key of a dictionary
(``ema.``), a wrapper's (``module.``), a part's (``generator.``), or several of these.
"""

import re
from collections import Counter
from collections.abc import Iterable
from itertools import takewhile
from pathlib import Path

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from facebench.errors import BadInput
from facebench_models.checkpoint import Tensors, tensors_of
from facebench_models.kinds import reading

_SHOWN = 6  # parts of a file that a refusal lists
_WRAPPERS = 8
"""Keys that are tried: what wraps a part of a module stands amid many names."""
_AVERAGED = re.compile(r"(?i)(^|[._])(ema|shadow|averaged?|swa)([._]|$)")


def give_weights(network: nn.Module, path: Path, key: str, extra: bool) -> None:
    """Load into `network` what the file at `path` holds for it.

    That is a state dictionary, or anything of tensors that holds one: at `key`, if several. With
    `extra`, it may hold weights beside the module's, that it has no place for.
    """
    stored = tensors_of(path)
    if not stored:
        raise BadInput(f"{path} holds no state dictionary: there is no tensor in it.")
    own = network.state_dict()
    if not own:
        raise BadInput(f"the function's module has no weights, so {path} is not for it.")
    stored = _unwrapped(network, stored)
    prefix, others = _prefix(network, stored, path, key)
    missing = _missing(own, stored, prefix)
    donors = [each for each in others if all(each + name in stored for name in missing)]
    if missing and len(donors) == 1:  # averages are often kept without the buffers
        stored = {**stored, **{prefix + name: stored[donors[0] + name] for name in missing}}
    elif missing:
        raise BadInput(_lacks(path, missing, prefix))
    unused = {name for name in stored if name.startswith(prefix) and name[len(prefix) :] not in own}
    unused = {name for name in unused if not name.startswith(tuple(others))}
    if unused and not extra:
        raise BadInput(
            f"{path} holds weights that the module has no place for ({_some(unused)}): "
            "correct the function, or add +unused=allow."
        )
    _on_cpu(network)
    with reading(path, what="a state dictionary of that module"):
        network.load_state_dict({name: stored.get(prefix + name, own[name]) for name in own})


def _on_cpu(network: nn.Module) -> None:
    """Give a module that was built without memory some."""
    kept = network.state_dict()
    lost = [name for name, x in network.named_buffers() if x.is_meta and name not in kept]
    if lost:
        raise BadInput(f"the function builds {lost[0]} on the device meta: build it on the CPU.")
    if any(x.is_meta for x in kept.values()):
        network.to_empty(device="cpu")


def _prefix(network: nn.Module, stored: Tensors, path: Path, key: str) -> tuple[str, list[str]]:
    """Return which prefix the module's weights have, and those of other weights that fit it."""
    fitting = _fitting(network, stored)
    unnamed = {} if key else _unnamed(network, stored)
    if not fitting:
        raise BadInput(_misfit(path, network, stored, unnamed))
    asked = [prefix for prefix in fitting if not key or _key(prefix) == key] or [
        prefix for prefix in fitting if prefix.startswith(f"{key}.")
    ]
    if len(asked) != 1 or unnamed:
        keys = " or ".join(f"+key={_key(p)} ({_count(stored, p)})" for p in asked or fitting)
        places = f"weights for the module at {len(asked) + len(unnamed)} places"
        what = places if asked else f"no weights for the module at key={key}"
        raise BadInput(f"{path} holds {what}: add {keys}{_without_names(unnamed)}.")
    if not key and (odd := _averaged(stored, asked[0])):
        raise BadInput(
            f"{path} also holds what looks like averaged weights ({_some(odd)}), whose names are "
            f"not the module's: add +key={_key(asked[0])} to take the others."
        )
    return asked[0], [prefix for prefix in fitting if not asked[0].startswith(prefix)]


def _unwrapped(network: nn.Module, stored: Tensors) -> Tensors:
    """Return the tensors without the one key amid their names that keeps them from fitting.

    A part of a module that was compiled or made parallel is called ``net._orig_mod.0.weight``.
    """
    if _fitting(network, stored):
        return stored
    own = {key for name in network.state_dict() for key in name.split(".")}
    amid = Counter(key for name in stored for key in {*name.split(".")[:-1]} - own)
    found = []
    for key, _ in amid.most_common(_WRAPPERS):
        shorter = {".".join(k for k in n.split(".") if k != key): x for n, x in stored.items()}
        if len(shorter) == len(stored) and _fitting(network, shorter):
            found.append(shorter)
    return found[0] if len(found) == 1 else stored


def _fitting(network: nn.Module, stored: Tensors) -> list[str]:
    """Return the prefixes at which all parameters are; averages are often without the buffers."""
    needed = dict(network.named_parameters()) or network.state_dict()
    return [
        prefix
        for prefix in _prefixes(network, stored)
        if all(_is_like(tensor, stored.get(prefix + name)) for name, tensor in needed.items())
    ]


def _prefixes(network: nn.Module, stored: Tensors) -> Counter[str]:
    """Return how many of the module's names follow each prefix in the file."""
    own = network.state_dict().keys()
    ends = ((name, [0, *(dot.end() for dot in re.finditer(r"\.", name))]) for name in stored)
    return Counter(name[:end] for name, starts in ends for end in starts if name[end:] in own)


def _is_like(own: Tensor, other: Tensor | None) -> bool:
    return other is not None and (is_lazy(own) or own.shape == other.shape)


def _missing(own: Iterable[str], stored: Tensors, prefix: str) -> set[str]:
    """Return what is not there of a module, but for BatchNorm's counters.

    Evaluation has no use for them, and PyTorch 0.4 had none.
    """
    missing = {name for name in own if prefix + name not in stored}
    return {name for name in missing if name.rpartition(".")[2] != "num_batches_tracked"}


def _unnamed(network: nn.Module, stored: Tensors) -> dict[str, int]:
    """Return where lists of the shapes of the module's parameters lie, and how long they are."""
    shapes = [None if is_lazy(p) else p.shape for p in network.parameters()]
    lists: dict[str, list[Tensor]] = {}
    for name, tensor in stored.items():
        place, _, number = name.rpartition(".")
        if number.isdecimal() and int(number) == len(lists.setdefault(place, [])):
            lists[place].append(tensor)
    fitting = (at for at, tensors in lists.items() if [x.shape for x in tensors] == shapes)
    return {place: len(shapes) for place in fitting if shapes}


def _averaged(stored: Tensors, prefix: str) -> set[str]:
    """Return the names of tensors outside `prefix` that seem to be averages of the weights."""
    outside = {name for name in stored if not name.startswith(prefix)} if prefix else set()
    return {name for name in outside if stored[name].ndim > 1 and _AVERAGED.search(name)}


def _without_names(unnamed: dict[str, int]) -> str:
    """Say what a list of tensors is, and who alone can use it."""
    if not unnamed:
        return ""
    place, count = next(iter(unnamed.items()))
    return (
        f"; {place or 'the file'} is a list of {_tensors(count)} without names, as moving "
        "averages are kept: in the program that made it, copy them to the module's parameters "
        "and save its state_dict()"
    )


def _misfit(path: Path, network: nn.Module, stored: Tensors, unnamed: dict[str, int]) -> str:
    """Say what is wrong at the prefix that most of the module's names follow, if any."""
    own, found = network.state_dict(), _prefixes(network, stored).most_common(1)
    holds = f"it holds {_contents(stored)}{_without_names(unnamed)}"
    if not found:
        return f"{path} lacks weights that the module has ({_some(own)}): {holds}."
    ((prefix, _),) = found
    if missing := _missing(own, stored, prefix):
        return _lacks(path, missing, prefix, f"; {holds}")
    wrong = next(n for n, x in own.items() if not _is_like(x, stored.get(prefix + n)))
    here, wanted = tuple(stored[prefix + wrong].shape), tuple(own[wrong].shape)
    return (
        f"{path} holds {prefix}{wrong} of shape {here}, where the module has {wanted}: correct the "
        "function."
    )


def _lacks(path: Path, missing: set[str], prefix: str, holds: str = "") -> str:
    place = f" at {_key(prefix)}" if prefix else ""
    return f"{path} lacks weights that the module has: {_some(missing)}{place}{holds}."


def _contents(stored: Tensors) -> str:
    """Say what a file has, by the first keys at which its names differ."""
    keys = [name.split(".") for name in stored]
    levels = zip(*(each[:-1] for each in keys), strict=False)
    shared = len([*takewhile(lambda level: len({*level}) == 1, levels)])
    depth = shared if all(len(each) == shared + 1 for each in keys) else shared + 1
    parts = Counter(".".join(each[: max(depth, 1)]) for each in keys)
    if not any(parts):
        return "one tensor"
    shown = [f"{part} ({_tensors(n)})"[-60:] for part, n in list(parts.items())[:_SHOWN]]
    more = f" and {len(parts) - _SHOWN} more" if len(parts) > _SHOWN else ""
    return ", ".join(shown) + more


def _key(prefix: str) -> str:
    return prefix.rstrip(".") or "."


def _count(stored: Tensors, prefix: str) -> str:
    return _tensors(sum(name.startswith(prefix) for name in stored))


def _tensors(count: int) -> str:
    return f"{count} tensor" + "s" * (count != 1)


def _some(names: Iterable[str]) -> str:
    names = sorted(names)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
