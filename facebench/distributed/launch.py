"""Several processes for one command: what torchrun tells those that it starts, and ``--processes``.

The option starts torch's own launcher, the one behind torchrun, with the same command line.
"""

import logging
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any
from uuid import uuid4

import click

from facebench.distributed import torchrun
from facebench.errors import BadInput
from facebench.options import Decorator, number

_OURS = "FACEBENCH_LAUNCH"
_PATIENCE = 5.0
"""Seconds that the first process has to give the reason, which most often all share."""
_LINES = 20


def processes_option(alone: str = "") -> Decorator:
    """Return a decorator that adds ``--processes``, which runs the command in so many.

    `alone` is why this command takes no more than one.
    """
    help_text = (
        "Processes of this machine that share the work, each with a GPU where there are any."
    )

    def decorate(command: Callable[..., Any]) -> Any:
        @number("--processes", 1, f"{alone}: one is all there is." if alone else help_text)
        @wraps(command)
        def spread(*, processes: int, **options: Any) -> Any:
            if alone and (processes > 1 or _under_torchrun()):
                raise BadInput(f"{alone}: leave out --processes and torchrun.")
            if processes > 1 and not _started_here():
                return launch(processes)
            try:
                return command(**options)
            except Exception:
                if torchrun.rank():  # the first process fails, too, and says why before this one
                    time.sleep(_PATIENCE)
                raise

        return spread

    return decorate


def launch(count: int) -> None:
    """Run this command line in `count` processes; exit as the first of them that fails.

    The first process speaks for all; of another one is told why it failed.
    """
    if _under_torchrun():
        raise BadInput(
            f"--processes {count} starts processes of its own, and torchrun has started this one: "
            "leave out the one or the other."
        )
    os.environ[_OURS] = uuid4().hex
    os.environ.setdefault("OMP_NUM_THREADS", str(max((os.cpu_count() or 1) // count, 1)))
    logging.disable()  # torch's launcher tells of every process, in its own words
    with tempfile.TemporaryDirectory(prefix="facebench-") as logs:
        if code := _exit_code(count, Path(logs)):
            sys.exit(code)


def _exit_code(count: int, logs: Path) -> int:
    """Run them; return 0, or the code of the first that failed."""
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, Std
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    config = LaunchConfig(
        *(1, 1, count),
        run_id=os.environ[_OURS],
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        logs_specs=DefaultLogsSpecs(str(logs), dict.fromkeys(range(1, count), Std.ALL)),
    )
    try:
        elastic_launch(config, sys.executable)("-m", "facebench", *sys.argv[1:])
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        _tell(rank, count, failure.exitcode, logs)
        return failure.exitcode if failure.exitcode > 0 else 128 - failure.exitcode
    except SignalException as error:
        return 128 + error.sigval
    return 0


def _tell(rank: int, count: int, code: int, logs: Path) -> None:
    """Say what the first one has not said: why another one failed, or that it was killed."""
    if code < 0:
        name = signal.Signals(-code).name
        click.echo(f"Error: process {rank + 1} of {count} was ended by {name}.", err=True)
    elif rank:
        (log,) = logs.glob(f"*/attempt_0/{rank}/stderr.log")
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        said = [line for line in lines if line.startswith("Error: ")] or lines[-_LINES:]
        click.echo("\n".join([f"Process {rank + 1} of {count} failed:", *said]), err=True)


def _under_torchrun() -> bool:
    return torchrun.is_running() and not _started_here()


def _started_here() -> bool:
    return _OURS in os.environ and torchrun.run_id() == os.environ[_OURS]
