"""What torchrun tells each of the processes that it starts: the only reader of its variables."""

import os


def processes() -> int:
    """Return how many there are, on all machines; 1 without torchrun."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_gpu() -> str:
    """Return the GPU of this process: the first, or each its own where torchrun started several."""
    return f"cuda:{os.environ['LOCAL_RANK']}" if "LOCAL_RANK" in os.environ else "cuda"
