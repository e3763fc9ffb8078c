"""A protocol in words."""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace

from facebench.result import Protocol
from facebench_reports.board import Board, Column

_DIGEST = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")


@dataclass(frozen=True)
class Item:
    """One setting of a protocol, for display."""

    name: str
    """The field of :class:`facebench.result.Protocol`."""
    label: str
    text: str


def items(protocol: Protocol) -> list[Item]:
    """Return every setting of `protocol`, each as a label and a text."""
    p = protocol
    return [
        Item("dataset", "data set", p.dataset),
        Item("split", "split", p.split),
        Item("num", "generated images", f"{p.num:,}"),
        Item("num_reference", "real images", f"{p.num_reference:,}"),
        Item("crop", "crop", p.crop),
        Item("size", "size", f"{p.size} px"),
        Item("filter", "resize filter", p.filter),
        Item("extractor", "extractor", p.extractor),
        Item("precision", "arithmetic", p.precision),
        Item("dataset_digest", "data set digest", p.dataset_digest),
        Item("weights", "weights", ", ".join(f"{k} {v}" for k, v in sorted(p.weights.items()))),
    ]


def brief(protocol: Protocol, differing: Collection[str] = ()) -> list[Item]:
    """Return the settings to show above a table: digests only where boards differ, and short."""
    hidden = {"dataset_digest", "weights"} - set(differing)
    shown = [item for item in items(protocol) if item.name not in hidden]
    return [replace(item, text=_DIGEST.sub(r"\1…", item.text)) for item in shown]


def ordered_by(column: Column) -> str:
    """Say which metric orders a board and in which direction."""
    return f"{column.title}, {column.direction}"


def summary(boards: list[Board]) -> str:
    """Say in one sentence what is on `boards`."""
    count = len({row.result.model for board in boards for row in board.rows})
    what = f"{count} {'model' if count == 1 else 'models'}"
    if len(boards) > 1:
        return f"{what} under {len(boards)} protocols, each ranked in a table of its own."
    [board] = boards
    p = board.protocol
    return (
        f"{what}, {p.num:,} images each, against {p.num_reference:,} images of {p.dataset} "
        f"({p.split} split), ordered by {ordered_by(board.ordering)}."
    )
