"""Verdicts of many, each put beside the row of a board that it is about.

A verdict names what it judges by a digest, so it finds its row under whatever name that stands on
the board. It is the word of whoever made it: nothing in it can be checked without model and data.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec.structs import replace

from facebench.bundles.comparable import Sent
from facebench.bundles.verdict import FOLDER, read_verdict
from facebench.results.digest import row_digest
from facebench.results.verdict import Verdict
from facebench.text import shown


def read_verdicts(sources: Iterable[Path]) -> list[Verdict]:
    """Read the verdicts that are named, and those that lie in results folders."""
    return [read_verdict(path) for source in sources for path in _paths(source)]


def placed_verdicts(
    verdicts: Iterable[Verdict], rows: Mapping[str, Sent], board: Path
) -> tuple[dict[str, Verdict], list[str]]:
    """Return the verdict of each row that has any, by its name on the board, and what must be said.

    Of two on one row, that which lies on the board already among them, "not reproduced" stays.

    Args:
        verdicts: of anybody.
        rows: of the board.
        board: the folder, where there may be verdicts.
    """
    names = {row_digest(row.result): name for name, row in rows.items()}
    there = read_verdicts([board] if board.is_dir() else [])
    found = {each.model: each for each in there if names.get(each.record) == each.model}
    said = []
    for verdict in verdicts:
        name, asked = names.get(verdict.record), shown(verdict.model)
        if name is None:
            said.append(f"a verdict on {asked} is about no row here, so it is left out")
        elif verdict.seed_from != "the operating system":
            said.append(f"a verdict on {asked} is of seeds that somebody chose, so it is left out")
        else:
            before = found.setdefault(name, replace(verdict, model=name))
            if before.reproduced != verdict.reproduced:
                said.append(
                    f"of two verdicts on {shown(name)} the one stays that it is not reproduced"
                )
            if before.reproduced and not verdict.reproduced:
                found[name] = replace(verdict, model=name)
    return found, list(dict.fromkeys(said))


def _paths(source: Path) -> list[Path]:
    return sorted((source / FOLDER).glob("[!.]*.json")) if source.is_dir() else [source]
