"""Every network is fed as it wants to be, and every output looked through for its images.

Networks are saved for batches of one size, for other types than float32, and answer with
dictionaries and tuples. Whatever they want, image i is made from latent i alone.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

from facebench.errors import BadInput, cause, is_out_of_memory

Network = Callable[[np.ndarray], Any]
"""From float32 latents (n, *shape) to what :func:`images_of` finds pixels in, one image per row."""

ArrayNetwork = Callable[[np.ndarray], np.ndarray]
"""From latents to the array of their images."""

Fetch = Callable[[Any], np.ndarray]
"""From a tensor of whatever framework and device to an array, one row for each of its rows."""

_SIZES = (1, 2, 4, 8, 32, 64, 128, 256)
_LARGEST = 1024  # latents at once that are tried
_DEEPEST = 4  # containers in one another that are looked through


@dataclass(frozen=True)
class Fed:
    """A network that is fed as it wants to be, and takes any number of latents."""

    network: Network
    output: str = ""
    """Which of several outputs the images are, see :func:`images_of`."""
    batch: int | None = None
    """The one number of latents that the network takes, if it is not free."""

    def __call__(self, z: np.ndarray, fetch: Fetch | None = None) -> np.ndarray:
        """Return what it gives for latents `z`, as `fetch` makes an array of it."""
        run = _of_images(self.network, self.output, fetch or as_array)
        return (_in_batches(run, self.batch) if self.batch else run)(z)


def batched(
    network: Network, z: np.ndarray, output: str = "", batch: int | None = None
) -> tuple[Fed, np.ndarray]:
    """Return `network` as one that takes any number of latents, and what it gives for `z`.

    `batch` is the one number of latents it takes, if that is known. A network of one batch size
    does not always say so, and some sizes pass by chance: it takes any only if it takes one latent
    as well as all of `z`. Of several outputs, `output` is taken, see :func:`images_of`.

    Raises:
        BadInput: it fails on every number of them.
    """
    run = Fed(network, output)
    failures: list[Exception] = []
    if batch is None and (values := _attempt(run, z, failures)) is not None:
        is_free = _attempt(run, z[:1], []) is not None
        return Fed(network, output, None if is_free else len(z)), values
    for size in [batch] if batch else _likely_sizes(failures[0]):
        filled = Fed(network, output, size)
        if (values := _attempt(filled, z, failures)) is not None:
            return filled, values
    raise BadInput(_refusal(run, z, failures[0]))


def _of_images(network: Network, output: str, fetch: Fetch) -> ArrayNetwork:
    """Return `network` as one that gives the array of its images, as many as latents."""

    def run(z: np.ndarray) -> np.ndarray:
        values = fetch(images_of(network(z), output))
        if values.ndim == 0 or len(values) != len(z):
            raise ValueError(f"it gave the shape {values.shape} for {len(z)} latents")
        return values

    return run


def _in_batches(network: ArrayNetwork, size: int) -> ArrayNetwork:
    """Return `network` fed `size` latents at a time, the last batch filled up with copies."""

    def run(z: np.ndarray) -> np.ndarray:
        filled = np.concatenate([z, np.repeat(z[-1:], -len(z) % size, 0)])
        batches = np.split(filled, len(filled) // size)
        return np.concatenate([network(batch) for batch in batches])[: len(z)]

    return run


def _attempt(network: ArrayNetwork, z: np.ndarray, failures: list[Exception]) -> np.ndarray | None:
    try:
        return network(z)
    except BadInput:
        raise
    except Exception as error:
        failures.append(error)
        return None


def _likely_sizes(failure: Exception) -> list[int]:
    """Return numbers of latents to try: what complains of a number mostly says the right one."""
    if is_out_of_memory(failure):
        return [8, 4, 2, 1]
    said = [int(number) for number in re.findall(r"\b\d{1,4}\b", str(failure))]
    return [size for size in dict.fromkeys((1, *said[:20], *_SIZES)) if 0 < size <= _LARGEST]


def _refusal(network: ArrayNetwork, z: np.ndarray, failure: Exception) -> str:
    """Say what it fails with, and whether that is for the shape of its latents."""
    shape, total = z.shape[1:], math.prod(z.shape[1:])
    other = (total, 1, 1) if len(shape) == 1 else (total,)
    turned, failures = z.reshape(-1, *other), list[Exception]()
    if any(_attempt(network, part, failures) is not None for part in (turned, turned[:1])):
        way_out = f"size={'x'.join(map(str, other))} can be"
    elif is_out_of_memory(failure):
        way_out = "give it a GPU with more memory, or --device cpu"
    elif re.search("device|cuda", str(failure), re.IGNORECASE):
        way_out = "let it make its tensors where its latents are, or give --device cpu"
    else:  # what fails in another way on another shape, fails for the shape
        is_other = cause(failures[0]) != cause(failure)
        way_out = "size= sets another shape" if is_other else "mend the network"
    text = f"the network cannot be run on latents of shape ({', '.join(map(str, ('n', *shape)))})"
    return f"{text}: {cause(failure)}; {way_out}."


def as_array(tensor: Any) -> np.ndarray:
    """Return a tensor of whatever framework, device and type as an array."""
    if hasattr(tensor, "detach"):  # of PyTorch
        tensor = plain(tensor).cpu()
    # TensorFlow's tensors do not know NumPy 2's way of converting, which warns.
    array = tensor.numpy() if hasattr(tensor, "numpy") else np.asarray(tensor)
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array


def plain(tensor: Any) -> Any:
    """Return a tensor of PyTorch without its history, where it is, of float32 if it is of reals."""
    tensor = tensor.detach()
    return tensor.float() if tensor.is_floating_point() else tensor


def images_of(output: Any, wanted: str = "") -> Any:
    """Return the one array or tensor in `output` that can be images, or the one called `wanted`.

    Raises:
        BadInput: there is none, or more than one; all are listed.
    """
    found = dict(_named(output))
    likely = [name for name, each in found.items() if _may_be_images(each.shape)] or [*found]
    chosen = [name for name in found if name == wanted] if wanted else likely
    if len(chosen) == 1:
        return found[chosen[0]]
    there = ", ".join(f"{name or 'one'} of shape {tuple(x.shape)}" for name, x in found.items())
    if not found:
        raise BadInput(f"the network gives {type(output).__name__}, not one tensor of images.")
    if wanted:
        raise BadInput(f"the network has no output={wanted}; there are: {there}.")
    raise BadInput(
        f"the network gives {len(found)} outputs ({there}): choose the images, as in "
        f"+output={chosen[0]}."
    )


def _may_be_images(shape: Any) -> bool:
    return len(shape) == 4 and (shape[1] in (1, 3) or shape[3] in (1, 3))


def _named(output: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield all arrays and tensors of an output by the way that leads to them."""
    if hasattr(output, "shape") and hasattr(output, "dtype"):
        yield ".".join(path), output
    elif len(path) < _DEEPEST:
        for name, each in _parts(output):
            yield from _named(each, (*path, str(name)))


def _parts(output: Any) -> Sequence[tuple[Any, Any]]:
    if isinstance(output, Mapping):
        return list(output.items())
    if hasattr(output, "_asdict"):  # a named tuple
        return list(output._asdict().items())
    if isinstance(output, list | tuple):
        return list(enumerate(output))
    if is_dataclass(output):
        return [(each.name, getattr(output, each.name)) for each in fields(output)]
    return list(getattr(output, "__dict__", {}).items())
