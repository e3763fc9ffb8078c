"""What people judged, in the terminal."""

from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from facebench.metrics.table import title
from facebench.results.judgement import Agreement, Estimate, Judged, Judgement
from facebench.results.judgement_text import plain, sentences
from facebench.text import in_one_line


def show(found: Judgement) -> None:
    """Print strengths, error rates, what must be known beside them, and the metrics' agreement."""
    console = Console()
    console.print(_models(found))
    for sentence in sentences(found):
        console.print(Text(in_one_line(sentence)))
    if found.agreement:
        console.print()
        console.print(_agreement(found))
        console.print(
            Text("1: the metric orders the models as people do; −1: the other way round.")
        )


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in headings:
        is_name = heading in ("model", "metric")
        table.add_column(heading, justify="left" if is_name else "right", overflow="fold")
    return table


def _models(found: Judgement) -> Table:
    table = _table(
        "#", "model", "strength\n95 % interval", "pairs", "HYPE∞\n95 % interval", "singles"
    )
    for each in found.models:
        table.add_row(*_row(each))
    return table


def _row(judged: Judged) -> Iterator[Text]:
    yield Text(str(judged.rank or "—"))
    yield Text(in_one_line(judged.model))
    yield _with_interval(judged.strength)
    yield Text(str(judged.pairs))
    yield _with_interval(judged.hype)
    yield Text(str(judged.singles))


def _agreement(found: Judgement) -> Table:
    table = _table(
        "metric", "models", "Kendall's tau\n95 % interval", "Spearman's rho\n95 % interval"
    )
    for each in found.agreement:
        table.add_row(*_agreement_row(each))
    return table


def _agreement_row(each: Agreement) -> Iterator[Text]:
    yield Text(title(each.metric))
    yield Text(str(len(each.models)))
    yield _with_interval(each.kendall)
    yield _with_interval(each.spearman)


def _with_interval(estimate: Estimate | None) -> Text:
    value, interval = plain(estimate)
    return Text(value).append(f"\n{interval}" if interval else "", "dim")
