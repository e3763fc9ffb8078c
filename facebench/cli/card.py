"""``facebench card``: a model's scores in its own repository."""

from pathlib import Path

import click

from facebench.cli.compare import find_result, results_option
from facebench.errors import BadInput
from facebench.plugins import registry


@click.command()
@click.argument("model")
@results_option
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="The model's repository: its README.md gets a section, or has it replaced.",
)
@click.option(
    "--benchmark",
    metavar="ORGANISATION/NAME",
    help="Write .eval_results/ for Hugging Face, too: which of its data sets is the benchmark. Its "
    "tasks are facebench's metrics.",
)
@click.option("--source", metavar="URL", help="With --benchmark: where the numbers can be seen.")
def card(model: str, results: Path, out: Path, benchmark: str | None, source: str | None) -> None:
    """Put a model's scores into its own repository.

    MODEL is a name in the results folder, or the path of a results file. The section has every
    number with its interval, the protocol, what must be known beside them, and BibTeX.

    \b
    Examples:
      facebench card dcgan --out runs/dcgan
      facebench card dcgan --results celeba64 --out my-model
      facebench card dcgan --out my-model --benchmark faces/celeba64 --source https://example.org
    """
    if source and not benchmark:
        raise BadInput("--source goes with --benchmark: it stands in what is written for that.")
    result = find_result(model, results)
    if not out.is_dir():
        raise BadInput(f"There is no folder {out}: name the model's repository.")
    if benchmark:
        click.echo(registry.find("publishers", "eval-results")(result, out, benchmark, source))
    click.echo(registry.find("publishers", "card")(result, out))
