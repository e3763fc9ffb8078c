"""One board of many people's rows: what ``facebench merge`` does, as a function.

All is read and checked before anything is written. A new board appears whole or not at all; to one
that is there, rows are added, each file whole, and none of its own is changed. A row that is there
is not added again, so the same command goes on where it was stopped, and once more changes nothing.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from facebench.bundles.bundle import (
    read_bundle,
    require_row_name,
    sample_of,
)
from facebench.bundles.comparable import (
    Sent,
    protocols_apart,
    require_same_reals,
    without_pseudo_values,
)
from facebench.bundles.consistency import require_consistent
from facebench.bundles.placed_verdicts import placed_verdicts, read_verdicts
from facebench.bundles.redaction import without_paths
from facebench.bundles.verdict import FOLDER as VERDICTS
from facebench.bundles.verdict import write_verdict
from facebench.errors import BadInput
from facebench.files import atomic_folder, atomic_path
from facebench.results.digest import row_digest
from facebench.results.result import Result, read_results, write_result
from facebench.results.verdict import Verdict
from facebench.text import listed, shown

VERDICT = ".json"
"""What the file of a verdict ends with: nothing else that is merged is such a file."""
_LONGEST = 60
"""Characters of a bundle's name in that of a row."""


@dataclass(frozen=True)
class Source:
    """Rows that somebody sent."""

    name: str
    results: Sequence[Result]
    pictures: Mapping[str, bytes]


@dataclass
class Board:
    """The rows of a board, and what must be said of them."""

    rows: dict[str, Sent] = field(default_factory=dict)
    """By their names on it."""
    pictures: dict[str, bytes] = field(default_factory=dict)
    """Of rows that were added, as far as they brought any."""
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    """By row, where somebody judged it."""
    said: list[str] = field(default_factory=list)

    def add(self, source: Source) -> None:
        """Add the rows of a source but those that are there, each under a name of its own."""
        there = {row_digest(row.result): name for name, row in self.rows.items()}
        again = []
        for result in source.results:
            digest = row_digest(result)
            if digest in there:
                is_same = there[digest] == result.model
                again.append(result.model if is_same else f"{result.model} (as {there[digest]})")
                continue
            name = there[digest] = self._named(result.model, source.name)
            self.rows[name] = Sent(replace(result, model=name), source.name)
            if result.model in source.pictures:
                self.pictures[name] = source.pictures[result.model]
        if again:
            self.said.append(
                f"of {shown(source.name)} these rows are there already: {listed(again)}"
            )

    def _named(self, model: str, source: str) -> str:
        """Return the name of a row; one that another row has grows by the source's."""
        if model not in self.rows:
            return model
        suffix = re.sub(r"[^\w.-]+", "-", source, flags=re.ASCII)[:_LONGEST]
        names = (
            f"{model}@{suffix}{f'-{i}' if i > 1 else ''}" for i in range(1, len(self.rows) + 2)
        )
        name = next(name for name in names if name not in self.rows)
        self.said.append(
            f"another row is called {shown(model)} already: that of {shown(source)} is called "
            f"{shown(name)} here"
        )
        return name


def merge(sources: Sequence[Path], out: Path, *, strict: bool = False) -> Board:
    """Write one results folder of the rows of many, and return them with what must be said.

    Args:
        sources: bundles; results folders, which give what their bundle would hold, and verdicts;
            verdicts alone (.json).
        out: the folder; rows that it holds stay as they are.
        strict: whether to refuse what is else said: rows of unlike protocols, which stand in tables
            of their own, and rows without pseudo-values, of which no test can be made.

    Raises:
        BadInput: for what :func:`facebench.bundles.bundle.read_bundle` refuses, and for rows of one
            protocol that were not measured against the same real images.
    """
    own = read_results(out) if out.is_dir() and any(out.glob("[!.]*.json")) else []
    board = Board({each.model: Sent(each, out.resolve().name) for each in own})
    others = [path for path in sources if not (own and path.is_dir() and path.samefile(out))]
    for path in others:
        if path.suffix != VERDICT:
            board.add(read_source(path))
    if not board.rows:
        raise BadInput(f"There are no rows for {out}: name a bundle or a results folder, too.")
    rows = [*board.rows.values()]
    for row in rows:
        require_consistent(row.result, row.source)
    require_same_reals(rows)
    _say(rows, board.said, strict)
    of_verdicts = [path for path in others if path.is_dir() or path.suffix == VERDICT]
    board.verdicts, said = placed_verdicts(read_verdicts(of_verdicts), board.rows, out)
    board.said += said
    _write(board, out, {each.model for each in own})
    return board


def read_source(path: Path) -> Source:
    """Read a bundle, or a results folder as its bundle would be."""
    if not path.is_dir():
        bundle = read_bundle(path)
        return Source(bundle.name, bundle.results, bundle.pictures)
    results = read_results(path)
    for result in results:
        require_row_name(result.model, path)
    pictures = {each.model: sample for each in results if (sample := sample_of(each, path))}
    return Source(path.resolve().name, [*map(without_paths, results)], pictures)


def _say(rows: Sequence[Sent], said: list[str], strict: bool) -> None:
    """Say, or refuse, what keeps differences of rows from being tested."""
    faults = [f"{apart}: each in a table of its own"] if (apart := protocols_apart(rows)) else []
    faults += [
        f"{row} has no pseudo-values of {listed(keys)}, so no difference can be tested, nor be "
        "found out whether it was edited"
        for row in rows
        if (keys := without_pseudo_values(row))
    ]
    if faults and strict:
        raise BadInput(f"{faults[0]}: leave a row out, or merge without --strict.")
    said += faults


def _write(board: Board, out: Path, own: set[str]) -> None:
    """Write what was added, a row after its picture: the row is what says that both are there."""
    with _folder(out) as folder:
        for name in sorted(board.rows.keys() - own):
            if name in board.pictures:
                with atomic_path(folder / "samples" / f"{name}.png") as partial:
                    partial.write_bytes(board.pictures[name])
            write_result(board.rows[name].result, folder)
        for verdict in board.verdicts.values():
            write_verdict(verdict, folder / VERDICTS)


@contextmanager
def _folder(out: Path) -> Iterator[Path]:
    """Yield the folder to write to: `out` if anything is in it, else one that takes its place."""
    if out.is_dir() and any(out.iterdir()):
        yield out
    else:
        with atomic_folder(out) as partial:
            yield partial
