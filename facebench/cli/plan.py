"""``facebench plan``: how many images would tell two models apart, and how long that would take."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from facebench.cli.compare import find_result, results_option
from facebench.metrics.description import DIRECTIONS
from facebench.metrics.paired_text import value_text
from facebench.metrics.table import is_known, metric, title
from facebench.options import FiniteRange
from facebench.results.result import Result
from facebench.results.speeds import SCORING, find_speed, in_words, speed_of, work_of
from facebench.text import in_one_line

if TYPE_CHECKING:
    from facebench.metrics.power import Plan

FORMAT = "facebench-plan/1"
_FEWEST = 100
"""Images: of fewer the noise is no longer as it was seen."""
_ENDLESS = 1e9
"""Images: more are no plan."""


@click.command()
@click.argument("first", metavar="A")
@click.argument("second", metavar="[B]", required=False)
@results_option
@click.option("--metrics", metavar="KEY,...", help="Only these.  [default: all that there are]")
@click.option(
    "--difference",
    type=float,
    metavar="NUMBER",
    help="The difference to be told, in the unit of the one metric that --metrics names.  "
    "[default: the one seen between A and B]",
)
@click.option(
    "--power",
    default=0.8,
    show_default=True,
    type=FiniteRange(0.5, 0.999),
    help="The share of repetitions in which it shall be told.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with every number in full.")
def plan(
    first: str,
    second: str | None,
    results: Path,
    metrics: str | None,
    difference: float | None,
    power: float,
    as_json: bool,
) -> None:
    """Say how many images tell a difference, and how long that takes.

    A and B are names in the results folder, or paths of results files. From the noise of what was
    scored: the number of images a side at which the difference that was seen would be called one in
    80 % of repetitions, between which numbers the interval of that difference puts it, and what
    drawing and scoring as many of each model would take.

    \b
    Examples:
      facebench plan dcgan vae
      facebench plan dcgan vae --metrics fid,recall --power 0.95
      facebench plan dcgan vae --metrics fid --difference 0.5
      facebench plan dcgan --metrics fid --difference 0.5
      facebench plan dcgan vae --json
    """
    from facebench.metrics.power import plans

    keys = [key.strip() for key in metrics.split(",") if key.strip()] if metrics else None
    if difference is not None and len(keys or ()) != 1:
        raise click.UsageError("--difference is in the unit of one metric: name it by --metrics.")
    a, b = find_result(first, results), find_result(second, results) if second else None
    found = plans(a, b, keys, difference, power)
    if as_json:
        click.echo(json.dumps(_record(found, a, b, power), indent=2, ensure_ascii=False))
        return
    console = Console()
    console.print(_table(found, a, b, power))
    console.print(Text("\n".join(map(in_one_line, _footnotes(found, a, b))), "dim"))


def _table(found: "Mapping[str, Plan]", a: Result, b: Result | None, power: float) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("metric", overflow="fold")
    for heading in ("difference", f"images\nfor {power:.0%}", "between", "time"):
        table.add_column(heading, justify="right")
    for key, one in found.items():
        cells = (value_text(one.difference), images_text(one.num), _range(one))
        heading = f"{title(key)} {DIRECTIONS[metric(key).better][0]}"
        table.add_row(*map(Text, (heading, *cells, _time(one, a, b))))
    return table


def images_text(number: float | None) -> str:
    """Return a number of images to two digits, for more are not known.

    >>> [images_text(each) for each in (12.0, 1234.0, 56_789.0, 2e10, None)]
    ['under 100', '1,200', '57,000', 'over 1e9', '—']
    """
    if number is None:
        return "—"
    if number < _FEWEST:
        return f"under {_FEWEST}"
    return (
        f"{float(f'{number:.2g}'):,.0f}"
        if number < _ENDLESS
        else f"over {_ENDLESS:.0e}".replace("+0", "")
    )


def _range(one: "Plan") -> str:
    if one.least is None:
        return ""
    ends = [images_text(one.least), images_text(one.most) if one.most else "no end"]
    return " – ".join(dict.fromkeys(ends))


def _time(one: "Plan", a: Result, b: Result | None) -> str:
    spent = _seconds(one, a, b)
    return "—" if spent is None else in_words(spent)


def _seconds(one: "Plan", a: Result, b: Result | None) -> float | None:
    """Return what drawing and scoring the planned images of each model takes, if that is known."""
    if one.num is None or one.num >= _ENDLESS:
        return None
    parts = [_seconds_of(result, max(one.num, _FEWEST)) for result in (a, b) if result]
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def _seconds_of(result: Result, num: float) -> float | None:
    speed = find_speed(work_of(result)) or speed_of(result)
    if speed is None:
        return None
    larger = max(num / result.protocol.num, 1.0)
    is_linear = all(is_known(key) and metric(key).from_moments for key in result.metrics)
    scoring = result.seconds.get(SCORING, 0.0) * (larger if is_linear else larger**2)
    return num * speed.seconds + scoring


def _footnotes(found: "Mapping[str, Plan]", a: Result, b: Result | None) -> Iterator[str]:
    """Yield what a reader of the table must know, a sentence at a time."""
    p = a.protocol
    yield (
        f"Images of each model, and as many times more real ones than now ({p.num:,} against "
        f"{p.num_reference:,}): with these alone the noise falls less."
    )
    if b is None:
        yield "A second model is taken to be as noisy, and to share no noise: fewer may be enough."
    if any(one.least is not None and not one.is_seen for one in found.values()):
        yield "No end: no difference was seen; its interval holds 0, so it may be none."
    if any(one.least is not None for one in found.values()):
        yield "Between: for the ends of the interval (95 %) of the difference as seen at this N."
    if any(one.num is None for one in found.values()):
        yield "—: nothing is known of the noise, or no difference at all was seen."
    yield from _on_time(a, b)


def _on_time(a: Result, b: Result | None) -> Iterator[str]:
    """Yield whose speed the times are of, each sentence once."""
    said = {_whose_speed(result): None for result in (a, b) if result}
    yield from said


def _whose_speed(result: Result) -> str:
    if find_speed(work_of(result)):
        return "Time: at the speed of this machine; scoring, which grows with N², at most."
    device = result.environment.get("device", "a device not recorded")
    if speed_of(result):
        return f"Time: as fast as on the {device} that scored them; scoring at most."
    return f"Time: not known of {result.model}, whose features were kept when it was scored."


def _record(
    found: "Mapping[str, Plan]", a: Result, b: Result | None, power: float
) -> dict[str, Any]:
    """Return the plan as JSON holds it, with every number in full."""
    return {
        "format": FORMAT,
        "first": a.model,
        "second": b.model if b else None,
        "power": power,
        "num": a.protocol.num,
        "num_reference": a.protocol.num_reference,
        "metrics": {key: _entry(key, one, a, b) for key, one in found.items()},
    }


def _entry(key: str, one: "Plan", a: Result, b: Result | None) -> dict[str, Any]:
    return {
        "title": title(key),
        "difference": one.difference,
        "seen": one.is_seen,
        "images": one.num,
        "least": one.least,
        "most": one.most,
        "seconds": _seconds(one, a, b),
    }
