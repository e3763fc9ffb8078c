"""``facebench site``: many boards as one folder for any web server."""

from pathlib import Path

import click

from facebench.cli.report import training_faces_option
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
    Space: an index of the boards, and a page each with its tables and citations. A folder's name
    is its board's. A site that is there is replaced as a whole.

    \b
    Examples:
      facebench site results --out public
      facebench site celeba64 ffhq256 --out public --title "Faces, spring"
      facebench site results --out public --no-training-faces
    """
    index = registry.find("publishers", "site")(
        folders, out, title=title, training_faces=training_faces
    )
    click.echo(index)
