"""Several processes that train one model, as torchrun starts them; or a single one."""

import atexit
import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn

from facebench.distributed.torchrun import local_gpu, processes
from facebench.errors import BadInput, RunFailed
from facebench.training.checkpoints import Checkpoints
from facebench.training.interrupt import interruptible
from facebench.training.learner import Learner
from facebench.training.loop import fit
from facebench.training.options import Plan
from facebench.training.run import Run

T = TypeVar("T")
_MOMENT = 0.5  # seconds


@dataclass(frozen=True)
class Group:
    """This process's place among `size` of them."""

    rank: int = 0
    size: int = 1

    @property
    def share(self) -> slice:
        """This process's part of a batch's images."""
        return slice(self.rank, None, self.size)

    def wrap(self, module: nn.Module) -> nn.Module:
        """Return `module` with gradients averaged over the processes."""
        if self.size == 1:
            return module
        # BatchNorm's statistics are those of the first process's share, which all take over.
        return nn.parallel.DistributedDataParallel(module)

    def average(self, gradients: Sequence[Tensor]) -> None:
        """Put the mean over the processes in place of each gradient."""
        if self.size == 1:
            return
        together = torch.cat([each.flatten() for each in gradients])
        distributed.all_reduce(together)
        parts = torch.split_with_sizes(together.div_(self.size), [g.numel() for g in gradients])
        for each, part in zip(gradients, parts, strict=True):
            each.copy_(part.view_as(each))

    def gather(self, value: T) -> list[T]:
        """Return the `value` of every process, by rank."""
        if self.size == 1:
            return [value]
        values = [value] * self.size
        distributed.all_gather_object(values, value)
        return values

    def obeyed(self, asked: int | None) -> int | None:
        """Return the signal that any process was `asked` to stop by: all stop after one step."""
        if self.size == 1:
            return asked
        where = "cuda" if distributed.get_backend() == "nccl" else "cpu"
        loudest = torch.tensor([asked or 0], device=where)
        distributed.all_reduce(loudest, distributed.ReduceOp.MAX)
        return int(loudest) or None

    def agree(self, step: int) -> None:
        """Wait for the other processes, and make sure that they go on from the same step."""
        if len({*self.gather(step)}) > 1:
            raise BadInput(
                "The processes do not see the same checkpoints: give --out on a disk that all "
                "share, or --restart."
            )


def fit_together(
    run: Run, learner: Learner, plan: Plan, group: Group, **hooks: Callable[..., None]
) -> None:
    """Do what :func:`fit` does in the first process, and take its steps beside it in the others.

    These write nothing. `hooks` are those of `fit`.
    """
    newest = Checkpoints(run.checkpoints).last_until(learner.steps) if plan.resume else None
    done = newest.step if newest else 0
    if newest and group.rank:
        learner.restore(newest.read())
    group.agree(done)  # from here on the first process may remove what was there
    with _all_alive(group):
        if group.rank == 0:
            fit(run, learner, plan, agree=group.obeyed, **hooks)
            return
        with interruptible() as interrupt:
            for step in range(done + 1, learner.steps + 1):
                learner.step(step)
                asked = group.obeyed(interrupt.asked)
                if asked and step < learner.steps:
                    sys.exit(128 + asked)


@contextmanager
def _all_alive(group: Group) -> Iterator[None]:
    """Say what a broken connection means: the frameworks' own words are of sockets."""
    try:
        yield
    except Exception as error:  # gloo's are RuntimeErrors, TensorFlow's its own
        broken = isinstance(error, distributed.DistError) or "connection" in str(error).lower()
        if group.size == 1 or not broken:
            raise
        raise RunFailed(
            "Another process of this training died. Its checkpoints are kept: start the same "
            "command again, and it goes on from there."
        ) from error


@contextmanager
def process_group(device: str, batch_size: int) -> Iterator[Group]:
    """Join the processes that torchrun started, or be alone."""
    size = processes()
    if size == 1:
        yield Group()
        return
    if batch_size % size or batch_size // size < 2:
        raise BadInput(
            f"--batch-size {batch_size} does not split into {size} processes of 2 or more images: "
            f"give a multiple of {size}."
        )
    if device == "cuda":
        _require_gpu()
        torch.cuda.set_device(local_gpu())
    # Gloo's threads let go of tensors a moment after their work is done, and abort the process if
    # Python ends in that moment: they end with the group, which the network's hooks still hold.
    atexit.register(_let_go)
    distributed.init_process_group("nccl" if device == "cuda" else "gloo")
    try:
        yield Group(distributed.get_rank(), size)
    finally:
        distributed.destroy_process_group()


def _let_go() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):  # it is ending already
        signal.signal(number, signal.SIG_IGN)
    gc.collect()
    time.sleep(_MOMENT)


def _require_gpu() -> None:
    gpus = torch.cuda.device_count()
    if int(os.environ["LOCAL_RANK"]) >= gpus:
        raise BadInput(
            f"There are {gpus} GPUs for more processes: give --processes {gpus}, or torchrun "
            f"--nproc-per-node {gpus}."
        )
