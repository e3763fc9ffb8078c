"""``facebench report``: the board, from results alone."""

import sys
from collections.abc import Callable, Sequence
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facebench.errors import BadInput
from facebench.plugins import registry
from facebench.results.result import read_results

if TYPE_CHECKING:
    from facebench.metrics.multiplicity import Correction

_NOT_RUN = {
    "training_faces": "it takes no training_faces, so it might show real people",
    "correction": "it takes no correction, so its ranks would be others",
}

training_faces_option = click.option(
    "--no-training-faces",
    "training_faces",
    is_flag=True,
    flag_value=False,
    default=True,
    help="Leave out pictures of real people, and samples of models that copy them: for boards that "
    "are shared.",
)
correction_option = click.option(
    "--correction",
    default="none",
    show_default=True,
    type=click.Choice(["none", "holm"]),
    help="Allow for how many pairs of models are tested: with holm, ranks and bold call equal "
    "models different on 5 % of boards at most, without it in 5 % of pairs.",
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
    "where they are installed, tensorboard, wandb, mlflow; and bibtex.  [default: all but the last "
    "four]",
)
@training_faces_option
@correction_option
def report(
    folder: Path, force: bool, to: str | None, training_faces: bool, correction: "Correction"
) -> None:
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
      facebench report results --correction holm
    """
    write_reports(folder, force, to.split(",") if to else None, training_faces, correction)


def write_reports(
    folder: Path,
    force: bool = False,
    names: Sequence[str] | None = None,
    training_faces: bool = True,
    correction: "Correction" = "none",
) -> None:
    """Run reporters over the Results in `folder`, and say where each one wrote.

    A reporter is a function ``(results, folder, force=False) -> path``; one that prints returns
    None. With `force`, it ranks unlike protocols together, and says so. A logger is the same, but
    runs only where it is one of `names`: by default every installed reporter does.

    Without `training_faces` no picture of a real person is written, and with a `correction` ranks
    allow for the number of pairs that are tested. A reporter is told so by keywords of these names;
    one that does not take one of them would show what it should not, so it is not run.
    """
    results = read_results(folder)
    chosen = [name.strip() for name in names or registry.names("reporters")]
    reporters = {name: _find(name) for name in chosen}
    asked: dict[str, Any] = {} if training_faces else {"training_faces": False}
    if correction != "none":
        asked["correction"] = correction
    written, failed = list[Path | None](), list[str]()
    for name in list(reporters):
        if asked and (lacking := asked.keys() - signature(reporters[name]).parameters.keys()):
            del reporters[name]
            whys = " and ".join(_NOT_RUN[each] for each in sorted(lacking))
            failed.append(f"Error: the reporter {name} was not run: {whys}.")
    for name, reporter in reporters.items():
        try:
            written.append(reporter(results, folder, force=force, **asked))
        except (BadInput, OSError):
            raise
        except Exception as error:  # of a plug-in, which must not cost the others
            failed.append(f"Error: the reporter {name} failed: {type(error).__name__}: {error}")
    for path in filter(None, written):
        click.echo(path)
    if failed:
        click.echo("\n".join(failed), err=True)
        sys.exit(1)


def _find(name: str) -> Callable[..., Path | None]:
    """Load a reporter or a logger, or say which there are."""
    found = {kind: registry.names(kind) for kind in ("reporters", "loggers")}
    for kind, names in found.items():
        if name in names:
            reporter: Callable[..., Path | None] = registry.find(kind, name)
            return reporter
    there = ", ".join(name for names in found.values() for name in names)
    raise BadInput(f"There is no reporter {name!r}; there are: {there}.")
