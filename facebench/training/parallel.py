"""Several processes that train one model, as torchrun starts them; or a single one.

torch is imported when there are several: TensorFlow's own networks need it for nothing else.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from facebench.distributed.process_group import ProcessGroup, meet
from facebench.distributed.torchrun import world_size
from facebench.errors import BadInput

if TYPE_CHECKING:
    from torch import Tensor, nn

SIGNALS_BY = "cpu:gloo"
"""What signals and Python's objects pass by, GPUs or not; gradients of GPUs pass by NCCL."""


class Group(ProcessGroup):
    """This process's place among those that share each batch."""

    died = "Another process of this training died. Its checkpoints are kept"

    @property
    def share(self) -> slice:
        """This process's part of a batch's images."""
        return slice(self.rank, None, self.size)

    def wrap(self, module: "nn.Module") -> "nn.Module":
        """Return `module` with gradients averaged over the processes."""
        if self.size == 1:
            return module
        from torch.nn.parallel import DistributedDataParallel

        # BatchNorm's statistics are those of the first process's share, which all take over.
        return DistributedDataParallel(module)

    def average(self, gradients: Sequence["Tensor"]) -> None:
        """Put the mean over the processes in place of each gradient."""
        if self.size == 1:
            return
        import torch

        together = torch.cat([each.flatten() for each in gradients])
        torch.distributed.all_reduce(together)
        parts = torch.split_with_sizes(together.div_(self.size), [g.numel() for g in gradients])
        for each, part in zip(gradients, parts, strict=True):
            each.copy_(part.view_as(each))

    def stop_signal(self, asked: int | None) -> int | None:
        """Return the signal that any process was `asked` to stop by: all stop after one step."""
        if self.size == 1:
            return asked
        import torch
        from torch import distributed

        loudest = torch.tensor([asked or 0])  # of the host's memory: no GPU is waited for
        distributed.all_reduce(loudest, distributed.ReduceOp.MAX)
        return int(loudest) or None

    def require_same_step(self, step: int) -> None:
        """Wait for the other processes, and make sure that they go on from the same step."""
        if len({*self.gather(step)}) > 1:
            raise BadInput(
                "The processes do not see the same checkpoints: give --out on a disk that all "
                "share, or --restart."
            )


def choose_device(name: str = "auto") -> str:
    """Return "cpu" or this process's GPU for "auto", "cpu" or "cuda".

    Raises:
        BadInput: there is no GPU for "cuda", or there are fewer than processes.
    """
    import torch

    from facebench.distributed.device import find_device

    if name == "cuda" and not torch.cuda.is_available():
        raise BadInput("torch sees no GPU for --device cuda: leave the option out.")
    return find_device(None if name == "auto" else name)


def join_group(device: str, batch_size: int) -> Group:
    """Join the processes that torchrun started, each with its `device`; or be alone."""
    size = world_size()
    if size == 1:
        return Group()
    if batch_size % size or batch_size // size < 2:
        raise BadInput(
            f"--batch-size {batch_size} does not split into {size} processes of 2 or more images: "
            f"give a multiple of {size}, {2 * size} or more."
        )
    return Group(*meet(SIGNALS_BY if device == "cpu" else f"{SIGNALS_BY},cuda:nccl"))


ALONE = Group()
