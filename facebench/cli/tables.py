"""``facebench adapters | weights``: what there is, and bringing weights here."""

import click
from rich.console import Console
from rich.table import Table

from facebench.plugins import registry


@click.command()
def adapters() -> None:
    """List what opens models, plug-ins included.

    Options of the built-in ones are in docs/models.md; a wrong one is answered with all there are.
    """
    _show(["adapter", "trainer"], [[n, _mark(n)] for n in registry.names("adapters")])


def _mark(name: str) -> str:
    return f"facebench train {name}" if name in registry.names("trainers") else ""


@click.group(invoke_without_command=True)
@click.pass_context
def weights(context: click.Context) -> None:
    """List network weights, or fetch, verify and find them.

    \b
    Where a file is looked for, in this order:
      --weights NAME=FILE of facebench eval
      the folder FACEBENCH_WEIGHTS
      the cache (FACEBENCH_CACHE names another)
      the addresses in FACEBENCH_MIRRORS, folders with blanks between them
      its official address
    FACEBENCH_OFFLINE=1 forbids downloads. Whatever the way, the digest must be the known one.

    \b
    Examples:
      facebench weights list
      facebench weights fetch inception alexnet
      facebench weights verify
      facebench eval --weights inception=$(facebench weights where inception) ...
    """
    if context.invoked_subcommand is None:
        context.invoke(list_)


_names = click.argument("names", nargs=-1, metavar="[NAME]...")


@weights.command("list")
def list_() -> None:
    """List weights, and whether they are here."""
    from facebench.weights import MANIFEST, WeightSource

    source = WeightSource()
    rows = [
        [w.name, str(source.locate(w.name) or "not here"), w.licence, w.url]
        for w in MANIFEST.values()
    ]
    _show(["weights", "file", "licence", "address"], rows)


@weights.command()
@_names
@click.option("--offline", is_flag=True, help="Download nothing: say what is missing.")
def fetch(names: tuple[str, ...], offline: bool) -> None:
    """Download what is missing.

    All weights by default: 3.8 GB, of which dinov2 and clip are 2.9. A download that broke off goes
    on where it did.

    \b
    Examples:
      facebench weights fetch inception alexnet
      FACEBENCH_MIRRORS=https://mirror.example/weights facebench weights fetch inception
    """
    from facebench.progress import bar
    from facebench.weights import MANIFEST, WeightSource, known

    source = WeightSource(track=bar, offline=offline)
    for name in map(known, names or MANIFEST):
        click.echo(source.find(name).path)


@weights.command()
@_names
def verify(names: tuple[str, ...]) -> None:
    """Check the files that are here.

    Exit code 2 if the digest of one is not the known one.

    \b
    Example:
      facebench weights verify
    """
    from facebench.errors import BadInput
    from facebench.weights import MANIFEST, WeightSource, known

    source, damaged = WeightSource(), 0
    for name in map(known, names or MANIFEST):
        path = source.locate(name)
        try:
            state = f"{source.find(name).path} is whole" if path else "not here"
            click.echo(f"{name}: {state}")
        except BadInput as error:
            click.echo(f"Error: {error}", err=True)
            damaged += 1
    if damaged:
        raise click.exceptions.Exit(2)


@weights.command()
@click.argument("name", metavar="NAME")
def where(name: str) -> None:
    """Print where a file is or would be put.

    Nothing is downloaded.

    \b
    Example:
      facebench weights where inception
    """
    from facebench.weights import WeightSource, known

    click.echo(WeightSource().place(known(name)))


def _show(headings: list[str], rows: list[list[str]]) -> None:
    table = Table(*headings, box=None, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*row)
    Console().print(table)
