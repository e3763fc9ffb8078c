"""What the page says of a board's frozen versions: which there are, and a row's rank in them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from facebench.results.digest import row_digest
from facebench.results.json_schema import Version
from facebench.results.result import Protocol
from facebench_reports.board import Row


@dataclass(frozen=True)
class Frozen:
    """The frozen versions of a board, the oldest first."""

    versions: Sequence[Version]

    @property
    def sentence(self) -> str:
        """Name the versions, each with its day and the beginning of its digest."""
        told = [f"{v.name} ({v.created[:10]}, {v.digest[:12]})" for v in self.versions]
        return f"Frozen versions, which later rows do not change: {', '.join(told)}."

    def place(self, row: Row) -> str:
        """Say which rank a row has in the last version that has it, and since when it is frozen."""
        digest = row_digest(row.result)
        held = {name: ranks[digest] for name, ranks in self._ranks.items() if digest in ranks}
        if not held:
            return f"after {self.versions[-1].name}"
        first, (last, rank) = next(iter(held)), [*held.items()][-1]
        place = f"in {last}" if rank is None else f"rank {rank} in {last}"
        return place if first == last else f"{place}, since {first}"

    @cached_property
    def _ranks(self) -> Mapping[str, Mapping[str, int | None]]:
        """By version and by what a row claims."""
        return {version.name: dict(_ranks(version)) for version in self.versions}


def _ranks(version: Version) -> Iterator[tuple[str, int | None]]:
    for group in version.leaderboard.groups:
        for row in group.rows:
            protocol = row.protocol if isinstance(row.protocol, Protocol) else group.protocol
            yield row_digest(replace(row, protocol=protocol)), row.rank
