"""``facebench arena``: people judge pictures blindly, on a page that this machine serves."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from facebench.errors import BadInput

if TYPE_CHECKING:
    from facebench.arena.pictures import Gallery
    from facebench.arena.server import ArenaServer
    from facebench.arena.votes import VoteBook


@click.command()
@click.argument("board", type=click.Path(path_type=Path), metavar="RESULTS")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Where to listen: by default, only this machine can open the page. 0.0.0.0 lets all vote "
    "that reach it.",
)
@click.option(
    "--port",
    default=8765,
    show_default=True,
    type=click.IntRange(0, 65535),
    metavar="INT",
    help="Port to listen at; 0 takes any that is free.",
)
@click.option(
    "--judge",
    metavar="NAME",
    help="Whose votes these are.  [default: each browser is a judge of its own]",
)
@click.option("--summary", is_flag=True, help="Serve nothing: print what the votes so far come to.")
def arena(board: Path, host: str, port: int, judge: str | None, summary: bool) -> None:
    """Let people judge the models of RESULTS blindly, on a local page.

    Pairs of pictures of two models (which looks more like a photograph?) give strengths after
    Bradley and Terry, with ties; single pictures, half of them photographs, HYPE's error rate.
    Votes are kept in RESULTS/arena, what they come to stands on the board.

    \b
    Examples:
      facebench arena results
      facebench arena results --judge ada
      facebench arena results --summary
    """
    if summary:
        from facebench.arena.summary import summarize
        from facebench.cli.arena_table import show

        show(summarize(board))
    else:
        _serve(board, host, port, judge)


def _serve(board: Path, host: str, port: int, judge: str | None) -> None:
    """Serve the page until Ctrl-C, then sum up."""
    from facebench.arena.pictures import gallery
    from facebench.arena.votes import FILE, VoteBook
    from facebench.results.judgement import arena_folder
    from facebench.results.result import read_results

    if judge is not None and not (judge.isprintable() and 0 < len(judge.strip()) <= 100):
        raise BadInput("--judge takes a name of 1 to 100 printable characters.")
    shown = gallery(board, read_results(board))
    if len(shown.models) < 2 and shown.real is None:
        raise BadInput(
            f"{board} has the pictures of one model and of no real images: there is nothing to "
            "judge until another is evaluated."
        )
    path = arena_folder(board) / FILE
    with VoteBook(path) as book, _server(board, shown, book, host, port, judge) as server:
        _greet(server, shown, host)
        try:
            server.serve_forever()
        except KeyboardInterrupt:  # how one ends it
            click.echo("", err=True)
        finally:
            if book.count():
                server.sum_up(wait=True)
        click.echo(f"{path}: {book.count()} votes. facebench arena {board} --summary sums up.")


def _server(
    board: Path, shown: "Gallery", book: "VoteBook", host: str, port: int, judge: str | None
) -> "ArenaServer":
    from facebench.arena.server import ArenaServer

    try:
        return ArenaServer(board, shown, book, host, port, judge)
    except OSError as error:
        raise BadInput(
            f"{host}:{port} cannot be listened at ({error.strerror or error}): --host takes an "
            "address of this machine, and --port 0 any port that is free."
        ) from error


def _greet(server: "ArenaServer", shown: "Gallery", host: str) -> None:
    from facebench.arena.server import LOOPBACK

    if shown.missing:
        click.echo(f"Without pictures, and so not judged: {', '.join(shown.missing)}.", err=True)
    if shown.real is None:
        click.echo(
            "There are no pictures of real images in the folder samples: only pairs are judged, "
            "without attention checks.",
            err=True,
        )
    if host not in LOOPBACK:
        click.echo("Whoever reaches this address sees the pictures, and can vote.", err=True)
    click.echo(f"Judges open {server.url} (Ctrl-C ends; every vote is kept at once)")
