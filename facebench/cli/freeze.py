"""``facebench freeze``: versions of a board that no later row changes."""

from pathlib import Path

import click

from facebench.errors import BadInput
from facebench.text import in_one_line


@click.command()
@click.argument("board", type=click.Path(path_type=Path), metavar="BOARD")
@click.argument("name", metavar="[NAME]", required=False)
@click.option(
    "--check",
    "is_check",
    is_flag=True,
    help="Say whether frozen versions are as they were; NAME@DIGEST, whether it is that one.",
)
def freeze(board: Path, name: str | None, is_check: bool) -> None:
    """Give the board as it is now a name for ever.

    BOARD/versions/NAME.json keeps rows, values and ranks, with a digest by which it can be cited.
    Later rows change the board, and not the version; a name is given once. The page lists versions,
    and says of each row which rank it has in them.

    \b
    Examples:
      facebench freeze board v1
      facebench freeze board --check
      facebench freeze board v1@0123456789ab --check
    """
    from facebench.bundles.freeze import check, freeze

    if is_check:
        versions = check(board, name)
        if not versions:
            raise BadInput(f"Nothing of {board} is frozen: facebench freeze {board} v1 does it.")
        for version in versions:
            click.echo(f"{in_one_line(version.name)} is unaltered: {version.digest}")
        return
    if name is None:
        raise click.UsageError("Give the version a NAME, as in facebench freeze BOARD v1.")
    frozen = freeze(board, name)
    is_so = "is frozen" if frozen.is_new else "is frozen already, with the same rows and ranks"
    click.echo(f"{name} {is_so}: {frozen.version.digest}")
    if frozen.is_new:
        click.echo(f"The page says so once it is drawn again: facebench report {board}")
