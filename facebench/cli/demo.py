"""``facebench demo``: the main job on the embedded default, as commands a user could type."""

import shlex
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import click

_FACES = 2400
_TRAINERS = {
    "pca": ["--components", "128"],
    "vae": ["--steps", "1500", "--width", "16", "--minutes", "1"],
    "dcgan": ["--steps", "2000", "--width", "16", "--minutes", "2"],
}


@click.command()
@click.option(
    "--out",
    default="demo",
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder for everything that is made.",
)
def demo(out: Path) -> None:
    """Do it all once, on faces drawn here.

    Renders faces, trains the three reference models small, and draws the board.

    Takes about five minutes on two CPU cores and downloads nothing. Each step is shown as the
    command it is; running the demo again continues it.
    """
    data, results, trainers = out / "faces64", out / "results", dict(_TRAINERS)
    if find_spec("keras") is None:
        click.echo("Without the DCGAN, which needs: pip install 'facebench[keras]'.", err=True)
        del trainers["dcgan"]
    _run("data", "synth", data, "--num", _FACES, "--holdout", 500)
    for name, options in trainers.items():
        _run("train", name, "--data", data, "--out", out / "runs" / name, *options)
    models = ",".join(f"{name}={out / 'runs' / name}" for name in trainers)
    reference = "--reference", data, "--extractor", "portrait"
    _run("eval", "--models", models, *reference, "--out", results)
    click.echo(f"\nThe board: {(results / 'leaderboard.html').resolve()}")


def _run(*arguments: object) -> None:
    """Run one command in a process of its own, for frameworks do not share one gladly."""
    words = [str(argument) for argument in arguments]
    click.secho(f"\n$ facebench {shlex.join(words)}", bold=True)
    process = subprocess.Popen([sys.executable, "-m", "facebench", *words])
    # A step that is told to stop keeps its checkpoint; Ctrl-C it gets from the terminal.
    interrupted = signal.signal(signal.SIGINT, lambda number, frame: None)
    terminated = signal.signal(signal.SIGTERM, lambda number, frame: process.terminate())
    try:
        code = process.wait()
    finally:
        signal.signal(signal.SIGINT, interrupted)
        signal.signal(signal.SIGTERM, terminated)
    if code:
        sys.exit(code if code > 0 else 128 - code)
