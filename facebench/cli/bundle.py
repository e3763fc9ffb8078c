"""``facebench bundle``: rows as one file for others."""

from pathlib import Path

import click


@click.command()
@click.argument("results", type=click.Path(path_type=Path), metavar="RESULTS")
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="NAME.facebench.zip",
    help="The file to write; one that is there is replaced.",
)
@click.option("--models", metavar="NAME,...", help="Only these rows.  [default: all]")
@click.option(
    "--no-pictures",
    "pictures",
    is_flag=True,
    flag_value=False,
    default=True,
    help="Leave out the grids of the models' first images.",
)
def bundle(results: Path, out: Path, models: str | None, pictures: bool) -> None:
    """Pack rows into one file for others.

    It holds all that ranks and tests need, without model and data: values with their pseudo-values,
    protocol, digests, environment, and the grid of each model's first images. Paths lose their
    folders; real people's pictures, and what may show them, stay out. facebench merge reads it.

    \b
    Examples:
      facebench bundle results -o ours.facebench.zip
      facebench bundle results -o ours.facebench.zip --models dcgan,vae --no-pictures
    """
    from facebench.bundles.bundle import write_bundle
    from facebench.results.withheld import why_withheld

    chosen = [name.strip() for name in models.split(",") if name.strip()] if models else None
    made = write_bundle(results, out, models=chosen, pictures=pictures)
    for result in made.results:
        if pictures and (why := why_withheld(result)):
            click.echo(f"Note: no picture of {result.model}. {why}", err=True)
    click.echo(f"{out}: {len(made.results)} rows, {len(made.pictures)} with pictures")
    click.echo(f"digest {made.digest}")
