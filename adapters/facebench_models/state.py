"""Which of a checkpoint's tensors are a module's: found by names and shapes, not by known keys.

All tensors of the file get one name each, from the keys that lead to them and their own name. The
module's weights are wherever all of its names follow one prefix, be that the key of a dictionary
(``ema.``), a wrapper's (``module.``), a part's (``generator.``), or several of these.
"""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from facebench.errors import BadInput
from facebench_models.checkpoint import Tensors, tensors_of
from facebench_models.network import reading

_SHOWN = 6  # parts of a file that a refusal lists


def give_weights(network: nn.Module, path: Path, key: str, extra: bool) -> None:
    """Load into `network` what the file at `path` holds for it.

    Args:
        network: the module.
        path: a state dictionary, or anything of tensors that holds one.
        key: where in the file, for one that holds several.
        extra: whether weights beside the module's, that it has no place for, are allowed.
    """
    there = tensors_of(path)
    if not there:
        raise BadInput(f"{path} holds no state dictionary: there is no tensor in it.")
    there = _unwrapped(network, there)
    own = network.state_dict()
    if not own:
        raise BadInput(f"the function's module has no weights, so {path} is not for it.")
    prefix, others = _prefix(network, there, path, key)
    missing = {name for name in own if prefix + name not in there and not _is_counter(name)}
    donors = [each for each in others if all(each + name in there for name in missing)]
    if missing and len(donors) == 1:  # averages are often kept without the buffers
        there = {**there, **{prefix + name: there[donors[0] + name] for name in missing}}
        missing = set()
    if missing:
        raise BadInput(f"{path} lacks weights that the module has: {_some(missing)}{_at(prefix)}.")
    unused = {name for name in there if name.startswith(prefix) and name[len(prefix) :] not in own}
    unused = {name for name in unused if not name.startswith(tuple(others))}
    if unused and not extra:
        raise BadInput(
            f"{path} holds weights that the module has no place for ({_some(unused)}): "
            "correct the function, or add +unused=allow."
        )
    _on_cpu(network)
    with reading(path, "a state dictionary of that module"):
        network.load_state_dict({name: there.get(prefix + name, own[name]) for name in own})


_WRAPPERS = 8
"""Keys that are tried: what wraps a part of a module stands amid many names."""


def _on_cpu(network: nn.Module) -> None:
    """Give a module that was built without memory some."""
    kept = network.state_dict()
    lost = [name for name, x in network.named_buffers() if x.is_meta and name not in kept]
    if lost:
        raise BadInput(f"the function builds {lost[0]} on the device meta: build it on the CPU.")
    if any(x.is_meta for x in kept.values()):
        network.to_empty(device="cpu")


def _prefix(network: nn.Module, there: Tensors, path: Path, key: str) -> tuple[str, list[str]]:
    """Return which prefix the module's weights have, and those of other weights that fit it."""
    found = _prefixes(network, there)
    fitting = [prefix for prefix in found if _fits(network, there, prefix)]
    asked = [prefix for prefix in fitting if not key or _key(prefix) == key] or [
        prefix for prefix in fitting if prefix.startswith(f"{key}.")
    ]
    unnamed = [] if key else _unnamed(network, there)
    if len(asked) == 1 and not unnamed and not key and (odd := _averaged(there, asked[0])):
        raise BadInput(
            f"{path} also holds what looks like averaged weights ({_some(odd)}), whose names are "
            f"not the module's: add +key={_key(asked[0])} to take the others."
        )
    if len(asked) == 1 and not unnamed:
        return asked[0], [prefix for prefix in fitting if not asked[0].startswith(prefix)]
    if fitting:
        where = f"no weights for the module at key={key}" if key and not asked else None
        raise BadInput(_several(path, there, asked or fitting, unnamed, where))
    raise BadInput(_none(path, network.state_dict(), there, found, unnamed))


def _unwrapped(network: nn.Module, there: Tensors) -> Tensors:
    """Return the tensors without the one key amid their names that keeps them from fitting.

    A part of a module that was compiled or made parallel is called ``net._orig_mod.0.weight``.
    """
    if any(_fits(network, there, prefix) for prefix in _prefixes(network, there)):
        return there
    own = _keys(network.state_dict())
    amid = Counter(key for name in there for key in {*name.split(".")[:-1]} - own)
    found = []
    for key, _ in amid.most_common(_WRAPPERS):
        names = {name: ".".join(k for k in name.split(".") if k != key) for name in there}
        shorter = {short: there[name] for name, short in names.items()}
        fits = any(_fits(network, shorter, prefix) for prefix in _prefixes(network, shorter))
        found += [shorter] if fits and len(shorter) == len(there) else []
    return found[0] if len(found) == 1 else there


def _keys(names: Iterable[str]) -> set[str]:
    return {key for name in names for key in name.split(".")}


def _prefixes(network: nn.Module, there: Tensors) -> Counter[str]:
    """Return how many of the module's names follow each prefix in the file."""
    own = network.state_dict().keys()
    ends = ((name, [0, *(dot.end() for dot in re.finditer(r"\.", name))]) for name in there)
    return Counter(name[:end] for name, starts in ends for end in starts if name[end:] in own)


def _fits(network: nn.Module, there: Tensors, prefix: str) -> bool:
    """Return whether all parameters are there; averages are often kept without the buffers."""
    needed = dict(network.named_parameters()) or network.state_dict()
    return all(_is_like(tensor, there.get(prefix + name)) for name, tensor in needed.items())


def _is_like(own: Tensor, other: Tensor | None) -> bool:
    return other is not None and (is_lazy(own) or own.shape == other.shape)


def _unnamed(network: nn.Module, there: Tensors) -> list[str]:
    """Return where lists of tensors lie that have the shapes of the module's parameters."""
    shapes = [None if is_lazy(p) else p.shape for p in network.parameters()]
    lists: dict[str, list[Tensor]] = {}
    for name, tensor in there.items():
        place, _, number = name.rpartition(".")
        if number.isdecimal() and int(number) == len(lists.setdefault(place, [])):
            lists[place].append(tensor)
    return [place for place, all in lists.items() if all and [x.shape for x in all] == shapes]


def _several(
    path: Path, there: Tensors, prefixes: list[str], unnamed: list[str], what: str | None
) -> str:
    ways = [f"+key={_key(prefix)} ({_count(there, prefix)})" for prefix in prefixes]
    what = what or f"weights for the module at {len(ways) + len(unnamed)} places"
    advice = f"add {' or '.join(ways)}{_without_names(there, unnamed)}"
    return f"{path} holds {what}: {advice}."


def _without_names(there: Tensors, unnamed: list[str]) -> str:
    """Say what a list of tensors is, and who alone can use it."""
    if not unnamed:
        return ""
    return (
        f"; {unnamed[0] or 'the file'} is a list of {_count(there, _under(unnamed[0]))} without "
        "names, as moving averages are kept: in the program that made it, copy them to the "
        "module's parameters and save its state_dict()"
    )


def _under(place: str) -> str:
    return f"{place}." if place else ""


def _none(path: Path, own: Tensors, there: Tensors, found: Counter[str], unnamed: list[str]) -> str:
    holds = f"it holds {_contents(there)}{_without_names(there, unnamed)}"
    if not found:
        return f"{path} lacks weights that the module has ({_some(own)}): {holds}."
    prefix = found.most_common(1)[0][0]
    missing = {name for name in own if prefix + name not in there and not _is_counter(name)}
    if missing:
        return f"{path} lacks weights that the module has: {_some(missing)}{_at(prefix)}; {holds}."
    wrong = next(n for n, x in own.items() if not _is_like(x, there.get(prefix + n)))
    here, wanted = tuple(there[prefix + wrong].shape), tuple(own[wrong].shape)
    return (
        f"{path} holds {prefix}{wrong} of shape {here}, where the module has {wanted}: correct the "
        "function."
    )


def _contents(there: Tensors) -> str:
    """Say what a file has, by the first keys at which its names differ."""
    base, parts = "", _parts(there, "")
    while len(parts) == 1 and (below := _parts(there, f"{base}{next(iter(parts))}.")):
        if all(name.rpartition(".")[0] == f"{base}{next(iter(parts))}" for name in there):
            break  # these are the tensors themselves
        base, parts = f"{base}{next(iter(parts))}.", below
    shown = [f"{base}{part} ({_tensors(n)})"[-60:] for part, n in list(parts.items())[:_SHOWN]]
    more = len(parts) - _SHOWN
    return (", ".join(shown) if any(parts) else "one tensor") + (
        f" and {more} more" if more > 0 else ""
    )


def _parts(there: Tensors, base: str) -> Counter[str]:
    """Count the tensors by the first key after `base`."""
    names = [name.removeprefix(base) for name in there if name.startswith(base)]
    return Counter(name.partition(".")[0] for name in names)


def _averaged(there: Tensors, prefix: str) -> set[str]:
    """Return the names of tensors outside `prefix` that seem to be averages of the weights."""
    outside = (name for name in there if not prefix or not name.startswith(prefix))
    return {n for n in outside if there[n].ndim > 1 and _AVERAGED.search(n)} if prefix else set()


_AVERAGED = re.compile(r"(?i)(^|[._])(ema|shadow|averaged?|swa)([._]|$)")


def _key(prefix: str) -> str:
    return prefix.rstrip(".") or "."


def _at(prefix: str) -> str:
    return f" at {_key(prefix)}" if prefix else ""


def _count(there: Tensors, prefix: str) -> str:
    return _tensors(sum(name.startswith(prefix) for name in there))


def _tensors(count: int) -> str:
    return f"{count} tensor" + "s" * (count != 1)


def _is_counter(name: str) -> bool:
    """Return whether it is BatchNorm's, which evaluation has no use for; PyTorch 0.4 had none."""
    return name.rpartition(".")[2] == "num_batches_tracked"


def _some(names: Iterable[str]) -> str:
    names = sorted(names)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
