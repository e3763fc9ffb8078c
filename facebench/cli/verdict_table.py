"""A verdict in a terminal."""

from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from facebench.metrics.paired_text import value_text
from facebench.metrics.table import is_known, title
from facebench.results.verdict import ComparedPictures, JudgedValue, Verdict
from facebench.text import in_one_line


def show(verdict: Verdict) -> None:
    """Print what is said of a row, value by value, and below it what it means."""
    console = Console()
    console.print(_table(verdict))
    for line in sentences(verdict):
        console.print(Text(in_one_line(line)))


def sentences(verdict: Verdict) -> Iterator[str]:
    """Yield what is found, a sentence at a time."""
    yield f"{verdict.model} is {verdict.badge}."
    for key, each in verdict.metrics.items():
        if each.why:
            yield f"{_title(key)} is {each.outcome}: {each.why}."
    yield f"{_on_pictures(verdict.pictures)}."
    last = verdict.first_seed + verdict.num - 1
    yield (
        f"Redrawn: seeds {verdict.first_seed} to {last}, chosen by {verdict.seed_from}. Of honest "
        f"rows {1 - verdict.level:.0%} are reproduced."
    )


def _table(verdict: Verdict) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(Text(in_one_line(verdict.model)), overflow="fold")
    for heading in ("submitted", "redrawn", "must lie in", "p"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", overflow="fold")
    for key, each in verdict.metrics.items():
        table.add_row(*map(Text, _cells(key, each)))
    return table


def _cells(key: str, each: JudgedValue) -> list[str]:
    redrawn = value_text(each.redrawn.value) if each.redrawn else "—"
    interval = "—"
    if each.low is not None and each.high is not None:
        interval = f"{value_text(each.low)} – {value_text(each.high)}"
    p = "—" if each.p is None else "< 0.001" if each.p < 0.001 else f"{each.p:.3f}"
    return [_title(key), value_text(each.submitted), redrawn, interval, p, each.outcome]


def _title(key: str) -> str:
    return title(key) if is_known(key) else in_one_line(key)


def _on_pictures(pictures: ComparedPictures) -> str:
    """Say how the pictures are to those that were drawn here."""
    apart = f"{pictures.mean or 0:.2g} grey levels on average, {pictures.largest or 0} at most"
    return {
        "same": f"All {pictures.count} pictures are the same to the bit",
        "close": f"All {pictures.count} pictures are the same but for rounding ({apart})",
        "other": f"The pictures are others than the model draws of the same seeds here ({apart})"
        if pictures.mean is not None
        else "The pictures are not of the size that the model draws",
        "absent": "There were no pictures to compare",
    }[pictures.likeness]
