"""What torchrun tells each of the processes that it starts: the only reader of its variables."""

import os

from facebench.errors import BadInput


def is_running() -> bool:
    """Return whether torchrun, or torch's launcher, has started this process."""
    return "WORLD_SIZE" in os.environ


def run_id() -> str:
    """Return the name of its run, which torch's launcher may be given."""
    return os.environ.get("TORCHELASTIC_RUN_ID", "")


def world_size() -> int:
    """Return how many processes there are, on all machines; 1 without torchrun."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Return the number of this process among all, from 0."""
    return int(os.environ.get("RANK", "0"))


def local_world_size() -> int:
    """Return how many of the processes are on this machine; 1 without torchrun."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def own_gpu(gpus: int) -> int:
    """Return which of this machine's `gpus` is this process's; refuse if there are too few.

    Every process of the machine refuses, so that none waits for another. Who starts processes
    without telling which of a machine's each is, gives each a machine.
    """
    number = int(os.environ.get("LOCAL_RANK", "0"))
    processes = max(local_world_size(), number + 1)
    if processes > gpus:
        raise BadInput(
            f"This machine has fewer GPUs ({gpus}) than processes ({processes}): give "
            f"--processes {gpus}, or torchrun --nproc-per-node {gpus}."
        )
    return number


def first_address() -> tuple[str, int]:
    """Return host and port at which the first process is reached."""
    return os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
