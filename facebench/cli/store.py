"""``facebench store``: what features are kept, whether they are whole, and away with them."""

import json
import math
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from facebench.cache.paths import cache_folder
from facebench.cache.store import DAY, FeatureStore, StoredFile, read_key, remove
from facebench.options import FiniteRange
from facebench.progress import bar

_DIGEST = re.compile(r"\b([0-9a-f]{8})[0-9a-f]{56}\b")


@click.group()
def store() -> None:
    """Look after the features that evaluations keep.

    They lie in the folder "features" of the user's cache, or of FACEBENCH_CACHE. All of them can
    be made again: nothing that is removed changes a score.

    \b
    Examples:
      facebench store list
      facebench store verify --remove
      facebench store prune --older-than 30
    """


@store.command("list")
def list_() -> None:
    """List what is kept, newest first: whose images, seen by which network.

    Models and data sets are named by the first digits of their digests, as on the board.

    \b
    Example:
      facebench store list
    """
    kept = _store()
    records = kept.records()
    if not records:
        click.echo(f"Nothing is kept in {kept.folder} yet: facebench eval keeps features there.")
        return
    _show(_sets(records))
    size = decimal(sum(file.size for file in records))
    click.echo(f"{_count(len(records), 'record')}, {size}, in {kept.folder}")


@store.command()
@click.option("--remove", "removing", is_flag=True, help="Remove what is damaged.")
def verify(removing: bool) -> None:
    """Check every record against its digest, and name those that are damaged.

    The exit code is 1 if damaged records are left. They do no harm: an evaluation that needs one
    computes it again.

    \b
    Examples:
      facebench store verify
      facebench store verify --remove
    """
    kept = _store()
    records = kept.records()
    checked = bar(records, "Verifying", len(records))
    damaged = [file for file in checked if not kept.is_whole(file.path)]
    for file in damaged:
        click.echo(f"damaged: {file.path}")
    if removing:
        remove(damaged)
    fate = f" and {'removed' if removing else 'computed again when needed'}" if damaged else ""
    click.echo(f"{_count(len(records), 'record')} checked, {len(damaged)} damaged{fate}")
    sys.exit(1 if damaged and not removing else 0)


@store.command()
@click.option(
    "--older-than", "days", type=FiniteRange(0), metavar="DAYS",
    help="Remove what was written more than DAYS days ago.",
)  # fmt: skip
@click.option("--all", "everything", is_flag=True, help="Remove every record.")
def prune(days: float | None, everything: bool) -> None:
    """Remove records, and what killed runs left half-written.

    Without an option only the latter goes: unfinished files that are more than a day old.

    \b
    Examples:
      facebench store prune
      facebench store prune --older-than 30
      facebench store prune --all
    """
    if everything and days is not None:
        raise click.UsageError("Give --all or --older-than, not both.")
    latest = time.time() - (0 if everything else math.inf if days is None else days * DAY)
    kept = _store()
    records, leftovers = kept.records(), kept.leftovers()
    old = [file for file in records if file.written <= latest]
    models = [file for file in kept.models() if file.written <= latest]
    freed = remove([*old, *models, *leftovers])
    click.echo(
        f"{_count(len(old), 'record')} and {_count(len(leftovers), 'unfinished file')} removed, "
        f"{decimal(freed)} freed; {_count(len(records) - len(old), 'record')} left"
    )


@dataclass
class _Set:
    """Records that differ in nothing but their seeds."""

    source: str
    network: str
    images: int = 0
    size: int = 0
    written: float = 0


def _sets(records: Sequence[StoredFile]) -> list[_Set]:
    """Return what the records are of, newest first."""
    sets: dict[str, _Set] = {}
    for file in records:
        key = _key(file)
        images = len(range(*key.pop("seeds", (0,))))
        key.pop("shown", None)  # which is of these seeds, too
        key["classes"] = "classes" in key  # likewise
        found = sets.setdefault(str(key), _Set(key["source"], key["network"]))
        found.images += images
        found.size += file.size
        found.written = max(found.written, file.written)
    return sorted(sets.values(), key=lambda each: each.written, reverse=True)


def _key(file: StoredFile) -> dict[str, Any]:
    """Return what the engine says a record depends on."""
    try:
        return json.loads(read_key(file.path))
    except (OSError, ValueError):
        return {"source": "unreadable: see facebench store verify", "network": ""}


def _show(sets: Sequence[_Set]) -> None:
    table = Table("source", "network", box=None, padding=(0, 2, 0, 0))
    for heading in ("images", "size", "age"):
        table.add_column(heading, justify="right", no_wrap=True)
    for each in sets:
        source = _DIGEST.sub(r"\1", each.source)
        age = _age(time.time() - each.written)
        table.add_row(source, each.network, f"{each.images:,}", decimal(each.size), age)
    console = Console()
    if not console.is_terminal:
        console.width = 100
    console.print(table, markup=False)


def _age(seconds: int | float) -> str:
    """Return a time span in its largest unit.

    >>> _age(200_000), _age(5400), _age(59)
    ('2 days', '1 hour', '0 minutes')
    """
    units = (("day", DAY), ("hour", 3600), ("minute", 60))
    unit, length = next((each for each in units if seconds >= each[1]), units[-1])
    return _count(int(seconds // length), unit)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _store() -> FeatureStore:
    return FeatureStore(cache_folder() / "features")
