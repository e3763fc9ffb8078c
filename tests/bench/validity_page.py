"""The validity table as a file for facebench's cards, and as pages of docs/validity.md."""

import csv
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from pathlib import Path

from validity_checks import CHECKS
from validity_sets import Stage, Work
from validity_trials import Lines
from validity_verdicts import Judged, Strength, judge

from facebench.metrics.table import METRICS
from facebench.metrics.validity import Finding, Verdict

BEGIN, END = "<!-- made by `make validity` -->", "<!-- end -->"
_SIGNS = {
    "sees": "✓", "sees late": "late", "not monotone": "bent", "misses": "**no**",
    "is fooled": "**fooled**", "stands still": "✓", "moves": "**moves**", "not asked": "·",
}  # fmt: skip

_COUNTED: tuple[Verdict, ...] = (
    "sees",
    "sees late",
    "not monotone",
    "misses",
    "is fooled",
    "stands still",
    "moves",
)

Entry = tuple[Finding, Judged]


def entries(work: Work, stages: Sequence[Stage]) -> Iterator[Entry]:
    """Yield every entry for which there are values, stage by stage."""
    for stage in stages:
        for n in stage.counts:
            lines = Lines(work.folder, stage, n)
            for row in METRICS.values():
                for check in CHECKS.values():
                    if (judged := judge(lines, row, check)) is not None:
                        place = row.key, check.name, stage.extractor, n, stage.data
                        yield Finding(*place, judged.verdict, judged.figure), judged


def write_csv(path: Path, found: Sequence[Entry]) -> None:
    """Write the findings that facebench carries."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        names = [field.name for field in fields(Finding)]
        writer = csv.DictWriter(stream, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(finding) for finding, _ in found)


def write_strengths(path: Path, found: Sequence[Entry]) -> None:
    """Write every strength of every entry, as JSON lines."""
    with path.open("w", encoding="utf-8") as stream:
        for finding, judged in found:
            record = asdict(finding) | {"strengths": [asdict(each) for each in judged.strengths]}
            stream.write(json.dumps(record, ensure_ascii=False) + "\n")


def write_page(path: Path, found: Sequence[Entry]) -> None:
    """Put the tables into the page, between its marks."""
    before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    text = f"{before}{BEGIN}\n\n{tables(found)}\n\n{END}{after}"
    path.write_text(text, encoding="utf-8")


def tables(found: Sequence[Entry]) -> str:
    """Return a table in Markdown for each extractor, N and kind of faces."""
    places = dict.fromkeys(finding.conditions for finding, _ in found)
    parts = [[entry for entry in found if entry[0].conditions == place] for place in places]
    each = [f"### {p}\n\n{_table(part)}" for p, part in zip(places, parts, strict=True)]
    return "\n\n".join([*_summary(found), *each])


def _summary(found: Sequence[Entry]) -> list[str]:
    """Return how many checks each metric passed and failed, over all extractors, N and faces."""
    if not found:
        return []
    counts = Counter((finding.metric, finding.verdict) for finding, _ in found)
    rows = [
        f"| `{key}` | {' | '.join(str(counts[key, verdict]) for verdict in _COUNTED)} |"
        for key in dict.fromkeys(finding.metric for finding, _ in found)
    ]
    head = [f"| metric | {' | '.join(_COUNTED)} |", f"|---|{'---|' * len(_COUNTED)}"]
    return ["### How many checks, of all the tables below", "\n".join(head + rows)]


def _table(found: Sequence[Entry]) -> str:
    metrics = list(dict.fromkeys(finding.metric for finding, _ in found))
    cells = {(finding.metric, finding.check): _cell(judged) for finding, judged in found}
    head = [
        f"| check | {' | '.join(f'`{key}`' for key in metrics)} |",
        f"|---|{'---|' * len(metrics)}",
    ]
    names = [name for name in CHECKS if any((key, name) in cells for key in metrics)]
    body = [
        f"| {name} | {' | '.join(cells.get((key, name), '') for key in metrics)} |"
        for name in names
    ]
    return "\n".join(head + body)


def _cell(judged: Judged) -> str:
    """Return the verdict, and how many per cent of the trials called each strength."""
    shares = " ".join(_share(each, judged.is_still) for each in judged.strengths)
    return f"{_SIGNS[judged.verdict]} {shares}"


def _share(strength: Strength, is_still: bool) -> str:
    """Return how many per cent of the trials called it worse, and, after a stroke, better."""
    if is_still:
        return f"{100 * strength.called / strength.trials:.0f}"
    better = f"/{100 * strength.better / strength.trials:.0f}" if strength.better else ""
    return f"{100 * strength.worse / strength.trials:.0f}{better}"
