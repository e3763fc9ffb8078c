"""Which torch device a process computes on: under torchrun every one has a card of its own."""

import torch

from facebench.distributed.torchrun import is_running, local_world_size, own_gpu
from facebench.errors import BadInput


def find_device(name: str | None = None) -> str:
    """Return the device called `name`, with its number, or by default a GPU where there is one.

    Raises:
        BadInput: it cannot be used, or not by as many processes as there are.
    """
    try:
        chosen = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        if chosen.type == "cuda":
            chosen = _own_card(chosen)
        torch.empty(1, device=chosen)
        return str(chosen)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise BadInput(f"The device {name!r} cannot be used: {reason}") from error


def _own_card(asked: torch.device) -> torch.device:
    """Return the card that is asked for; of several processes, each one's own."""
    if asked.index is not None and local_world_size() > 1:
        raise BadInput(
            f"--device {asked} is one GPU for {local_world_size()} processes: give --device cuda, "
            "and each takes its own."
        )
    gpus = torch.cuda.device_count()
    if not gpus:  # torch says so
        return asked
    card = asked
    if asked.index is None:
        card = torch.device("cuda", own_gpu(gpus) if is_running() else torch.cuda.current_device())
    torch.cuda.set_device(card)
    return card
