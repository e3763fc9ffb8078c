"""``facebench report``: the board, from results alone."""

import sys
from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from pathlib import Path

import click

from facebench.errors import BadInput
from facebench.plugins import registry
from facebench.results.result import read_results

_NOT_RUN = (
    "Error: the reporter {} was not run: it takes no training_faces, so it might show real people."
)

training_faces_option = click.option(
    "--no-training-faces",
    "training_faces",
    is_flag=True,
    flag_value=False,
    default=True,
    help="Leave out pictures of real people, and samples of models that copy them: for boards that "
    "are shared.",
)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="RESULTS")
@click.option(
    "--force",
    is_flag=True,
    help="Rank results of unlike protocols in one table, by their values alone, and mark them.",
)
@click.option(
    "--to",
    "to",
    metavar="NAME,...",
    help="Only these forms: csv, html, json, latex, markdown, terminal, any plug-in's, and, "
    "where they are installed, tensorboard, wandb, mlflow.  [default: all but the last three]",
)
@training_faces_option
def report(folder: Path, force: bool, to: str | None, training_faces: bool) -> None:
    """Draw the board again, from results alone.

    The leaderboard of RESULTS is shown, and written into it as HTML, CSV, JSON, Markdown and
    LaTeX. Results of unlike protocols stand in tables of their own.

    \b
    Examples:
      facebench report results
      facebench report results --to latex,terminal
      facebench report results --to tensorboard
      facebench report results --force
      facebench report results --no-training-faces
    """
    write_reports(folder, force, to.split(",") if to else None, training_faces)


def write_reports(
    folder: Path,
    force: bool = False,
    names: Sequence[str] | None = None,
    training_faces: bool = True,
) -> None:
    """Run reporters over the Results in `folder`, and say where each one wrote.

    A reporter is a function ``(results, folder, force=False) -> path``; one that prints returns
    None. With `force`, it ranks unlike protocols together, and says so. A logger is the same, but
    runs only where it is one of `names`: by default every installed reporter does.

    Without `training_faces` no picture of a real person is written. A reporter is told so by a
    keyword of that name; one that does not take it might show them, so it is not run.
    """
    results = read_results(folder)
    chosen = [name.strip() for name in names or registry.names("reporters")]
    reporters = {name: _find(name) for name in chosen}
    options, written, failed = {"force": force}, list[Path | None](), list[str]()
    if not training_faces:
        options["training_faces"] = False
        heedless = _heedless(reporters)
        failed += map(_NOT_RUN.format, heedless)
        reporters = {name: each for name, each in reporters.items() if name not in heedless}
    for name, reporter in reporters.items():
        try:
            written.append(reporter(results, folder, **options))
        except (BadInput, OSError):
            raise
        except Exception as error:  # of a plug-in, which must not cost the others
            failed.append(f"Error: the reporter {name} failed: {type(error).__name__}: {error}")
    for path in filter(None, written):
        click.echo(path)
    if failed:
        click.echo("\n".join(failed), err=True)
        sys.exit(1)


def _heedless(reporters: Mapping[str, Callable[..., Path | None]]) -> list[str]:
    """Return those that cannot be told to leave real people out."""
    asked = {name: signature(each).parameters for name, each in reporters.items()}
    return [name for name, parameters in asked.items() if "training_faces" not in parameters]


def _find(name: str) -> Callable[..., Path | None]:
    """Load a reporter or a logger, or say which there are."""
    found = {kind: registry.names(kind) for kind in ("reporters", "loggers")}
    for kind, names in found.items():
        if name in names:
            reporter: Callable[..., Path | None] = registry.find(kind, name)
            return reporter
    there = ", ".join(name for names in found.values() for name in names)
    raise BadInput(f"There is no reporter {name!r}; there are: {there}.")
