"""What a model's own repository says of its scores: a section of its card, and Hugging Face's file.

The section stands between two comments in ``README.md`` and is replaced there; nothing else of the
file is touched. ``.eval_results/*.yaml`` is what Hugging Face reads community evaluations from
(https://huggingface.co/docs/hub/eval-results): a benchmark there has to list the tasks, which are
facebench's metrics by their keys.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import facebench
from facebench.errors import BadInput
from facebench.files import write_text
from facebench.results.result import Result, Value
from facebench.text import in_one_line
from facebench_reports import number_format, protocol_text
from facebench_reports.board import boards, protocol_id
from facebench_reports.citations import bibliography
from facebench_reports.metric_columns import Column, metric_columns
from facebench_reports.prose import escape_markdown

BEGIN = "<!-- facebench: begin; made by `facebench card`, which replaces it -->"
END = "<!-- facebench: end -->"
_BENCHMARK = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_URL = re.compile(r"https?://[^\s\"'<>]+")


def write_card(result: Result, repository: Path) -> Path:
    """Write or replace the section on evaluation in a repository's ``README.md``; return its path.

    Raises:
        BadInput: where the section's begin or end is lost, or the file is no UTF-8.
    """
    target = repository / "README.md"
    try:
        text = target.read_text("utf-8") if target.exists() else ""
    except UnicodeDecodeError as error:
        raise BadInput(f"{target} is not UTF-8: save it as such, or move it away.") from error
    section = "\n".join([BEGIN, *_section(_measured(result)), END])
    if (text.count(BEGIN), text.count(END)) == (0, 0):
        head = f"{text.rstrip()}\n\n" if text.strip() else ""
        write_text(target, f"{head}{section}\n")
        return target
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in after or END in before + after:
        raise BadInput(
            f"{target} holds the comments of facebench's section not once each, in order: take "
            "them out, and the section is added at the end."
        )
    write_text(target, before + section + after)
    return target


def write_eval_results(
    result: Result, repository: Path, benchmark: str, source: str | None = None
) -> Path:
    """Write ``.eval_results/facebench-PROTOCOL.yaml`` and return its path.

    Args:
        result: the row.
        repository: the model's.
        benchmark: the Hub's data set that the leaderboard belongs to, as "organisation/name".
        source: where the numbers can be looked up, an address.

    Raises:
        BadInput: for a benchmark or a source that is none.
    """
    if not _BENCHMARK.fullmatch(benchmark):
        raise BadInput(f"{benchmark!r} is no data set of the Hub: write ORGANISATION/NAME.")
    if source is not None and not _URL.fullmatch(source):
        raise BadInput(f"{source!r} is no address: write https://…")
    measured = _measured(result)
    name = f"facebench-{protocol_id(result.protocol)}.yaml"
    target = repository / ".eval_results" / name
    write_text(target, "".join(_entries(measured, benchmark, source)))
    return target


def _measured(result: Result) -> Result:
    """Return it with what a board would show of it."""
    [board] = boards([result])
    return board.rows[0].result


def _section(result: Result) -> Iterator[str]:
    p = result.protocol
    columns = [each for each in metric_columns([result]) if not each.is_of_many]
    yield "## Evaluation\n"
    yield (
        f"{protocol_text.count(p.num)} images from seed {result.first_seed} on, against "
        f"{escape_markdown(protocol_text.against(p, 'images of'))}; "
        f"{escape_markdown(protocol_text.setting(p))}. Protocol `{protocol_id(p)}`, "
        f"facebench {facebench.__version__}.\n"
    )
    yield "| Metric | | Value | 95 % interval | Real images |"
    yield "|:--|:--|--:|--:|--:|"
    yield from (_line(column, result) for column in columns)
    for remark in result.remarks:
        yield f"\n- {escape_markdown(remark)}"
    yield "\nReal images: what other real images score in the model's place."
    yield "\n<details><summary>BibTeX</summary>\n"
    yield f"```bibtex\n{bibliography([result])}```\n"
    yield "</details>"


def _line(column: Column, result: Result) -> str:
    value = result.metrics[column.key]
    places = number_format.decimals(column.key, value.value, value.error)
    cells = (
        column.title,
        f"{column.arrow} {column.short_direction}",
        number_format.fixed(value.value, places),
        number_format.interval(column.key, value) or "—",
        number_format.fixed(value.floor, places) or "—",
    )
    return f"| {' | '.join(map(escape_markdown, cells))} |"


def _entries(result: Result, benchmark: str, source: str | None) -> Iterator[str]:
    """Yield the entries as YAML, whose strings are JSON's."""
    for column in metric_columns([result]):
        value = result.metrics[column.key]
        yield f"- dataset:\n    id: {json.dumps(benchmark)}\n    task_id: {column.key}\n"
        yield f"  value: {_number(value.value)}\n"
        if result.created:
            yield f"  date: {json.dumps(result.created)}\n"
        if source:
            yield f"  source:\n    url: {json.dumps(source)}\n    name: facebench\n"
        yield f"  notes: {json.dumps(_notes(result, value))}\n"


def _number(value: float) -> str:
    """Return a float as YAML 1.1 knows one: with a point, also before an exponent.

    >>> _number(1e-05), _number(0.25)
    ('1.0e-05', '0.25')
    """
    mantissa, e, exponent = repr(float(value)).partition("e")
    return (mantissa if "." in mantissa else f"{mantissa}.0") + e + exponent


def _notes(result: Result, value: Value) -> str:
    p = result.protocol
    known = value.low is not None and value.high is not None
    between = f"95 % interval {value.low:.6g} to {value.high:.6g}; " if known else ""
    images = f"{p.num} generated and {p.num_reference} real images"
    return in_one_line(f"{between}{images}; protocol {protocol_id(p)}")
