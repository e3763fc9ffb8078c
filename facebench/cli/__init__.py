"""The ``facebench`` command. Each verb is a thin skin over a public function.

Exit codes: 0 done, 1 a model could not be evaluated, 2 bad input. ``--help`` imports no framework.
"""

import sys

import click

from facebench import __version__
from facebench.cli.group import LazyGroup
from facebench.errors import BadInput

_COMMANDS = {
    "data": "facebench.cli.data:data",
    "train": "facebench.cli.train:train",
    "sample": "facebench.cli.play:sample",
    "interpolate": "facebench.cli.play:interpolate",
    "traverse": "facebench.cli.play:traverse",
    "eval": "facebench.cli.evaluate:evaluate",
    "report": "facebench.cli.report:report",
    "compare": "facebench.cli.compare:compare",
    "adapters": "facebench.cli.tables:adapters",
    "metrics": "facebench.cli.tables:metrics",
    "weights": "facebench.cli.tables:weights",
    "store": "facebench.cli.store:store",
    "demo": "facebench.cli.demo:demo",
}


@click.group(cls=LazyGroup, commands_at=_COMMANDS, no_args_is_help=True)
@click.version_option(__version__, package_name="facebench")
def cli() -> None:
    """Evaluate and benchmark face generators.

    \b
    From photographs to a leaderboard:
      facebench data prepare img_align_celeba.zip faces64 --crop celeba
      facebench train pca --data faces64 --out runs/pca
      facebench eval --models pca --reference faces64 --out results
    Without any photographs:
      facebench demo
    """


def main() -> None:
    """Run the command line; what the user can mend is one sentence and exit code 2."""
    try:
        cli(prog_name="facebench")
    except BadInput as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)
    except OSError as error:  # a full disk, a folder that may not be written
        where = f"{error.filename}: " if error.filename else ""
        click.echo(f"Error: {where}{error.strerror or error}.", err=True)
        sys.exit(2)
