"""Several processes that train one VAE, as torchrun starts them; or a single one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed, nn

from facebench.errors import BadInput


@dataclass(frozen=True)
class Group:
    """This process's place among `size` of them."""

    rank: int = 0
    size: int = 1

    def wrap(self, module: nn.Module) -> nn.Module:
        """Return `module` with gradients averaged over the processes."""
        if self.size == 1:
            return module
        # BatchNorm's statistics are those of the first process's share, which all take over.
        return nn.parallel.DistributedDataParallel(module)

    def meet(self) -> None:
        """Wait for the other processes."""
        if self.size > 1:
            distributed.barrier()


@contextmanager
def process_group(device: str, batch_size: int) -> Iterator[Group]:
    """Join the processes that torchrun started, or be alone."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Group()
        return
    if batch_size % size or batch_size // size < 2:
        raise BadInput(
            f"--batch-size {batch_size} does not split into {size} processes of 2 or more images: "
            f"give a multiple of {size}."
        )
    if device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if device == "cuda" else "gloo")
    try:
        yield Group(distributed.get_rank(), size)
    finally:
        distributed.destroy_process_group()
