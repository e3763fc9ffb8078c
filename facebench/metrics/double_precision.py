"""Where float64 is computed: on a GPU, unless the CPU beside it is faster at that.

Cards for games compute float64 at a 64th of their rate in float32, those for data centres at half
of it. What a card is called does not tell how it compares with its CPU: a product of matrices does.
"""

import time

import torch

CPU = torch.device("cpu")
_SIZE = 1024  # of the matrices: milliseconds, and long enough for all units of a card
_REPEATS = 3
_MARGIN = 1.5
"""How many times as fast the CPU must be: it has sampling and reading to do, and a difference that
is noise shall not decide."""

_faster: dict[torch.device, torch.device] = {}
"""What was found, by card; for as long as the process lives."""


def faster_device(gpu: torch.device) -> torch.device:
    """Return where float64 is computed, `gpu` or the CPU; it is measured once."""
    if gpu not in _faster:
        is_slow = product_seconds(gpu) > _MARGIN * product_seconds(CPU)
        _faster[gpu] = CPU if is_slow else gpu
    return _faster[gpu]


def product_seconds(device: torch.device) -> float:
    """Return how long a product of two float64 matrices takes there, at best."""
    matrix = torch.ones(_SIZE, _SIZE, dtype=torch.float64, device=device)
    times = []
    for _ in range(1 + _REPEATS):  # the first one loads libraries
        _wait_for(device)
        started = time.perf_counter()
        matrix @ matrix
        _wait_for(device)
        times.append(time.perf_counter() - started)
    return min(times)


def notes(device: str) -> list[str]:
    """Return what must be said beside scores where `device` did not compute all of them."""
    place = torch.device(device)
    if place.type != "cuda" or CPU not in _found_for(place):
        return []
    name = torch.cuda.get_device_name(place)
    return [f"what needs float64 was computed on the CPU, which is faster at it than {name}"]


def forget() -> None:
    """Let it be measured again."""
    _faster.clear()


def _found_for(place: torch.device) -> list[torch.device]:
    return [found for gpu, found in _faster.items() if place.index in (None, gpu.index)]


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
