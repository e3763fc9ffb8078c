"""``facebench site``: many boards as one folder for any web server."""

from pathlib import Path

import click

from facebench.cli.report import training_faces_option
from facebench.errors import BadInput
from facebench.plugins import registry


@click.command()
@click.argument(
    "folders", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RESULTS..."
)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Folder to write."
)
@click.option(
    "--title", default="Face generator leaderboards", show_default=True, help="What stands on top."
)
@training_faces_option
def site(folders: tuple[Path, ...], out: Path, title: str, training_faces: bool) -> None:
    """Make a web site of several boards.

    DIR becomes a folder of files that any web server can serve, and Hugging Face as a static
    Space: an index of the boards, and of each its page, its tables, its frozen versions, what to
    cite, and its rows as a bundle for others (facebench merge). A folder's name is its board's. A
    site that is there is replaced as a whole.

    \b
    Examples:
      facebench site results --out public
      facebench site celeba64 ffhq256 --out public --title "Faces, spring"
      facebench site results --out public --no-training-faces
    """
    write_site = registry.find("publishers", "site")
    index = write_site(folders, out, title=title, training_faces=training_faces, more=_bundle)
    click.echo(index)


def _bundle(results: Path, target: Path) -> dict[str, str]:
    """Write the rows of a board as a bundle, where they can be one; say why where not."""
    from facebench.bundles.bundle import SUFFIX, write_bundle

    name = f"{results.resolve().name}{SUFFIX}"
    try:
        write_bundle(results, target / name)
    except BadInput as error:
        click.echo(f"Note: {results} is shown without a bundle: {error}", err=True)
        return {}
    return {name: "rows as a bundle"}
