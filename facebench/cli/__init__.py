"""The ``facebench`` command. Each verb is a thin skin over a public function.

Exit codes: 0 done, 1 a model could not be evaluated, 2 bad input, 130 or 143 interrupted.
``--help`` imports no framework.
"""

import contextlib
import errno
import os
import shutil
import signal
import sys
import warnings
from pathlib import Path
from typing import TextIO

import click

from facebench import __version__
from facebench.cache import paths
from facebench.cli.lazy_groups import LazyGroup
from facebench.cli.terminal import tolerate_any_terminal
from facebench.errors import BadInput, RowFailed, RunFailed, cause, is_out_of_memory

_SMALLER = "take smaller batches, a smaller network, or fewer or smaller images"
_PACKAGE = str(Path(__file__).parents[1])
_COMMANDS = {
    "data": "facebench.cli.data:data",
    "train": "facebench.cli.train:train",
    "sample": "facebench.cli.play:sample",
    "interpolate": "facebench.cli.play:interpolate",
    "traverse": "facebench.cli.play:traverse",
    "score": "facebench.cli.score:score",
    "eval": "facebench.cli.evaluate:evaluate",
    "eval-pairs": "facebench.cli.evaluate_pairs:evaluate_pairs",
    "stats": "facebench.cli.stats:stats",
    "report": "facebench.cli.report:report",
    "bundle": "facebench.cli.bundle:bundle",
    "merge": "facebench.cli.merge:merge",
    "freeze": "facebench.cli.freeze:freeze",
    "verify": "facebench.cli.verify:verify",
    "compare": "facebench.cli.compare:compare",
    "plan": "facebench.cli.plan:plan",
    "plot": "facebench.cli.plot:plot",
    "arena": "facebench.cli.arena:arena",
    "card": "facebench.cli.card:card",
    "site": "facebench.cli.site:site",
    "check": "facebench.cli.check:check",
    "adapters": "facebench.cli.tables:adapters",
    "metrics": "facebench.cli.metrics:metrics",
    "weights": "facebench.cli.tables:weights",
    "store": "facebench.cli.store:store",
    "demo": "facebench.cli.demo:demo",
}


@click.group(cls=LazyGroup, commands_at=_COMMANDS, no_args_is_help=True)
@click.version_option(__version__, package_name="facebench")
def cli() -> None:
    """Evaluate and benchmark face generators.

    \b
    Two folders of pictures, one answer:
      facebench score photographs samples
    From photographs to a leaderboard:
      facebench data prepare img_align_celeba.zip faces64 --crop celeba
      facebench train pca --data faces64 --out runs/pca
      facebench eval --models pca --reference faces64 --out results
    Without any photographs:
      facebench demo
    """


def main() -> None:
    """Run the command line; what the user can mend is one sentence and exit code 2."""
    signal.signal(signal.SIGTERM, _interrupt)  # as a cluster sends before it takes the machine
    tolerate_any_terminal()
    _say_own_warnings()
    try:
        sys.exit(cli(prog_name="facebench", standalone_mode=False))  # None, or what Exit says
    except click.ClickException as error:  # with its usage, as click itself shows it
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt, _Terminated) as error:
        _leave_interrupted(error)
    except (BadInput, RowFailed, RunFailed) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2 if isinstance(error, BadInput) else 1)
    except BrokenPipeError:  # whoever read the output has seen enough
        _leave_quietly()
    except OSError as error:  # a full disk, a folder that may not be written
        click.echo(f"Error: {_place(error)}{error.strerror or error}{_way_out(error)}.", err=True)
        sys.exit(2)
    except Exception as error:
        if not (isinstance(error, MemoryError) or is_out_of_memory(error)):
            raise
        click.echo(f"Error: The memory does not suffice ({cause(error)}): {_SMALLER}.", err=True)
        sys.exit(2)


def _say_own_warnings() -> None:
    """Say this package's warnings as sentences, without the line of code that gave them."""
    show = warnings.showwarning

    def say(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if filename.startswith(_PACKAGE):
            click.echo(f"Warning: {message}", err=True)
        else:
            show(message, category, filename, lineno, file, line)

    warnings.showwarning = say


class _Terminated(BaseException):
    """SIGTERM came: everything is cleaned up on the way out, as for Ctrl-C."""


def _interrupt(number: int, frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a second one ends it at once
    raise _Terminated


def _leave_interrupted(error: BaseException) -> None:
    """Say how to go on, and exit as a shell reports a signal."""
    said = "Interrupted: what is finished is kept, run the same command again to go on."
    click.echo(said, err=True)
    sys.exit(128 + (signal.SIGTERM if isinstance(error, _Terminated) else signal.SIGINT))


def _leave_quietly() -> None:
    """Exit without Python's complaint that it cannot flush what nobody reads."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(1)


def _place(error: OSError) -> str:
    """Return what it was about; not by the names of files that have none yet."""
    if not isinstance(error.filename, str):
        return ""
    path = Path(error.filename)
    return f"{path.parent if path.name.startswith(('.', 'tmp')) else path}: "


def _way_out(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f": make room{_where_it_is_full()} and run the same command again"
    if isinstance(error.filename, str) and paths.is_cache(Path(error.filename)):
        return f": {paths.WAY_OUT}"
    if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
        return ": name a place that may be written"
    if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.ENOENT):
        return ": name a folder that is there or can be made"
    return ""


def _where_it_is_full() -> str:
    """Return the places that have next to nothing left, among those that a command writes to."""
    named = [Path(word) for word in sys.argv[1:] if not word.startswith("-")]
    full = [place for place in (*named, Path.cwd()) if _is_full(place)]
    with contextlib.suppress(BadInput):
        if _is_full(cache := paths.cache_folder()):
            return f" in {cache} (facebench store prune --all), {paths.CACHE_ELSEWHERE}"
    return f" in {full[0]}" if full else ""


def _is_full(place: Path) -> bool:
    with contextlib.suppress(OSError, ValueError):
        there = next(each for each in (place, *place.absolute().parents) if each.exists())
        return there != Path("/") and shutil.disk_usage(there).free < _FULL
    return False


_FULL = 16 << 20  # bytes
