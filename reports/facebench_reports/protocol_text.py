"""A board in words: its protocol, and how it is to be read."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from facebench.results.result import STATISTICS, Protocol, Result
from facebench_reports.board import Board
from facebench_reports.metric_columns import Column

_NAMED = 12
"""Values named of one model: the page has all."""
_DIGEST = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")


@dataclass(frozen=True)
class Item:
    """One setting of a protocol, for display."""

    name: str
    """The field of :class:`facebench.results.result.Protocol`."""
    label: str
    text: str


def items(protocol: Protocol) -> list[Item]:
    """Return every setting of `protocol`, each as a label and a text."""
    p = protocol
    return [
        Item("dataset", "data set", p.dataset),
        Item("split", "split", "reference by statistics" if p.split == STATISTICS else p.split),
        Item("num", "generated images", count(p.num)),
        Item("num_reference", "real images", count(p.num_reference)),
        Item("crop", "crop", p.crop),
        Item("size", "size", size(p)),
        Item("filter", "resize filter", p.filter),
        Item("extractor", "extractor", spaced(p.extractor)),
        Item("layer", "layer", spaced(p.layer)),
        *([Item("faces", "faces", spaced(p.faces))] if p.faces else []),
        *([Item("pairs", "task", p.pairs)] if p.pairs else []),
        Item("mode", "definitions", p.mode),
        Item("precision", "arithmetic", p.precision),
        Item("dataset_digest", "data set digest", p.dataset_digest),
        Item("weights", "weights", ", ".join(f"{k} {v}" for k, v in sorted(p.weights.items()))),
    ]


def count(images: int) -> str:
    """Return a number of images as text; statistics need not say of how many they are."""
    return f"{images:,}" if images else "an unknown number of"


def against(protocol: Protocol, of: str = "of") -> str:
    """Say which images are compared with which."""
    p = protocol
    if p.split == STATISTICS:
        return f"the reference by statistics {p.dataset}"
    return f"{count(p.num_reference)} {of} {p.dataset} ({p.split} split)"


def setting(protocol: Protocol) -> str:
    """Say how images were made alike and looked at, in a line."""
    p = protocol
    crop = f"crop {p.crop}" if p.crop else ""
    parts = crop, size(p), p.filter, spaced(p.extractor), p.precision
    return ", ".join(filter(None, parts))


def size(protocol: Protocol) -> str:
    """Return height and width of the real images as text."""
    return f"{protocol.size} px" if protocol.size else "as they are"


def spaced(names: str) -> str:
    """Return the names of several networks or layers so that a line may break between them.

    >>> spaced("inception,random")
    'inception, random'
    """
    return names.replace(",", ", ")


def brief(protocol: Protocol, differing: Collection[str] = ()) -> list[Item]:
    """Return the settings to show above a table: digests only where boards differ, and short."""
    hidden = {"dataset_digest", "weights"} | ({"mode"} if protocol.mode == "facebench" else set())
    return [
        replace(item, text=_DIGEST.sub(r"\1…", item.text))
        for item in items(protocol)
        if item.name in differing or (item.text and item.name not in hidden)
    ]


def speed(result: Result) -> str:
    """Say how many images were looked at, and how fast: drawing and the networks together."""
    seconds = sum(spent for phase, spent in result.seconds.items() if phase != "metrics")
    return f"{result.images:,}, {result.images / max(seconds, 1e-9):.1f} a second"


def labels(differing: Collection[str], protocol: Protocol) -> str:
    """Return the settings that differ, as words in a sentence."""
    return ", ".join(item.label for item in items(protocol) if item.name in differing)


def unlike(protocol: Protocol, differing: Collection[str]) -> str:
    """Return the settings of `protocol` in which others differ, as words in a sentence."""
    return ", ".join(
        f"{item.label} {item.text or 'none'}"
        for item in brief(protocol, differing)
        if item.name in differing
    )


def ordered_by(column: Column) -> str:
    """Say which metric orders a board and in which direction."""
    return f"{column.title}, {column.direction}"


def caption(board: Board) -> str:
    """Say what orders the table of `board`, and what stands out in it."""
    order = f"Ordered by {ordered_by(board.ordering)}."
    if board.differing:
        return f"{order} Ranks in brackets follow the values alone; no difference is judged."
    if not board.knows_noise:
        return f"{order} Bold: best of its column; how far noise reaches is not known."
    return f"{order} Bold: no model in the column is better beyond noise.{_on_correction(board)}"


def _on_correction(board: Board) -> str:
    """Say whether ranks allow for how many pairs were tested, where there are several."""
    if board.pairs < 2:
        return ""
    if board.correction == "holm":
        return f" Ranks and bold are corrected for the number of pairs ({board.pairs:,}; Holm)."
    return f" Ranks are not corrected for the number of pairs ({board.pairs:,})."


def legend(board: Board) -> Iterator[str]:
    """Yield what else a reader of the table needs to know, a sentence at a time."""
    cells = [cell for row in board.rows for cell in row.cells if cell]
    if any(cell.interval for cell in cells):
        yield "Below a number: its 95 % interval."
    if any(cell.error and not cell.interval for cell in cells):
        yield "± is one standard error."
    if any(row.places for row in board.rows):
        yield "Below a rank: the places that 95 % of resamples give."
    if board.knows_noise and not board.differing and any(row.shared for row in board.rows):
        yield (
            "A rank is 1 + the number of models that are better beyond noise (paired t-test, "
            f"{'Holm, ' if board.correction == 'holm' else ''}p < 0.05), so models that cannot be "
            "told apart share one (=)."
        )
    reals = [real for real in board.reals if real]
    if any(real.floor for real in reals):
        yield "Noise floor: what other real images score in a model's place."
    if any(real.own for real in reals):
        yield "Own: what the reference images score themselves; × is a value's ratio to that."
    if any(result.is_sanity for result in board.results):
        yield (
            "Rows without a rank are sanity checks, real images spoilt or repeated in known ways: "
            "they show what each metric sees, and take no part in ranks."
        )


def differing(board: Board) -> Iterator[str]:
    """Yield in which values of pose and attributes each model differs, in place of columns."""
    columns = board.of_many
    if not columns:
        return
    yield (
        f"Pose and attributes are {len(columns)} values more, on the page, in the CSV and the "
        "JSON. What differs from real images beyond noise (5 %):"
    )
    for row in board.rows:
        values = {column.title: column.value(row.result) for column in columns}
        found = [title for title, value in values.items() if value and value.differs]
        more = [f"{len(found) - _NAMED} more"] if len(found) > _NAMED else []
        yield f"{row.result.model}: {', '.join([*found[:_NAMED], *more]) or 'nothing'}"


def summary(boards: list[Board]) -> str:
    """Say in one sentence what is on `boards`."""
    results = [result for board in boards for result in board.results]
    counts = (
        (len({r.model for r in results if not r.is_sanity}), "model"),
        (len({r.model for r in results if r.is_sanity}), "sanity check"),
    )
    what = " and ".join(f"{n} {kind}{'s' if n > 1 else ''}" for n, kind in counts if n)
    if len(boards) > 1:
        return f"{what} under {len(boards)} protocols, each ranked in a table of its own."
    [board] = boards
    p = board.protocol
    if board.differing:
        return f"{what} under unlike protocols, forced into one table."
    return (
        f"{what}, {count(p.num)} images each, against {against(p, 'images of')}, ordered by "
        f"{ordered_by(board.ordering)}."
    )
