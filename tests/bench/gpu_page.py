"""GPU.md: what is known so far, written anew after every case."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

PENDING = "not begun"
HOW = """\
Written by `make gpu`. Images are noise of 64×64 and weights are seeded, for speed needs no others.
Contenders are timed in turns after one turn that warms up, the card awaited before and after each:
medians, and the slowest and fastest turn. torch-fidelity's module runs in the same precision as
facebench's network, TF32 in cuDNN and cuBLAS switched alike, from the same images in the host's
memory to features there. The card's matrix rate is that of large products in the same precision; an
image takes Inception 11.4 GFLOP."""
PRECISIONS = ("fp32", "tf32", "bf16")
ENDS = "end to end, "
METRIC = "metric "


@dataclass(frozen=True)
class Record:
    """One thing that is known."""

    part: str
    """"" for what stands above all parts."""
    case: str = ""
    headings: Sequence[str] = ()
    """Of the part's table."""
    cells: Sequence[str] = ()
    """A row of it."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """What targets are told from."""
    left_out: str = ""
    """Why a case, or the rest of it, was not measured."""
    text: str = ""
    """What is neither."""


def append(folder: Path, record: Record, out: Path | None) -> None:
    """Add what has become known, and write the page."""
    with (folder / "records.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(asdict(record)) + "\n")
    write_page(read(folder), out)


def read(folder: Path) -> list[Record]:
    """Return what is known."""
    lines = (folder / "records.jsonl").read_text(encoding="utf-8").splitlines()
    return [Record(**json.loads(line)) for line in lines]


def write_page(records: Sequence[Record], out: Path | None) -> str:
    """Return the page, which is written to `out` whole or not at all."""
    text = page(records)
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        partial = out.with_name(f".{out.name}")
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, out)
    return text


def page(records: Sequence[Record]) -> str:
    """Return the page of `records`, which come by parts."""
    parts = dict.fromkeys(record.part for record in records)
    sections = [section(name, [r for r in records if r.part == name]) for name in parts if name]
    above = [record.text for record in records if not record.part]
    return "\n\n".join(["# On a GPU", *above, HOW, targets(records), *sections]) + "\n"


def section(name: str, records: Sequence[Record]) -> str:
    """Return one part: its text, its table, and what was left out of it."""
    blocks = [f"## {name}", *(record.text for record in records if record.text)]
    headings = next((record.headings for record in records if record.headings), ())
    if rows := [record.cells for record in records if record.cells]:
        blocks.append(table(headings, rows))
    if lines := [f"- {case}: not measured: {why}" for case, why in left_out(records)]:
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    return "\n".join(
        f"| {' | '.join(each)} |" for each in [headings, ["---"] * len(headings), *rows]
    )


def left_out(records: Sequence[Record]) -> list[tuple[str, str]]:
    """Return cases, and why they are left out: the last that is known of each counts."""
    known = {r.case: r.left_out for r in records if r.case}
    return [(case, why) for case, why in known.items() if why]


def targets(records: Sequence[Record]) -> str:
    """Return what is to be reached, and what was."""
    found: dict[str, float] = {}
    for record in records:
        for name, value in record.figures.items():
            found[name] = max(value, found.get(name, value))
    rows = [
        *(_ratio(found, f"facebench {p}", f"torch-fidelity {p}", "≥ 1.3×") for p in PRECISIONS),
        _ratio(found, "facebench bf16", "facebench fp32", "≥ 6×"),
        _metrics(found, records),
        *_ends(found),
    ]
    return "## Targets\n\n" + table(("figure", "to reach", "reached"), rows)


def _ratio(found: Mapping[str, float], ours: str, other: str, target: str) -> list[str]:
    is_known = ours in found and other in found
    reached = f"{found[ours] / found[other]:.2f}×" if is_known else "not measured"
    return [f"Inception, {ours} to {other}, each at its best batch", target, reached]


def _metrics(found: Mapping[str, float], records: Sequence[Record]) -> list[str]:
    seconds = [value for name, value in found.items() if name.startswith(METRIC)]
    missing = [case for case, _ in left_out([r for r in records if r.part == "Metrics"])]
    reached = f"{sum(seconds):.1f} s" if seconds else "not measured"
    if seconds and missing:
        reached += f" without {', '.join(missing)}"
    return ["all metrics of 50,000 × 50,000 features", "< 20 s", reached]


def _ends(found: Mapping[str, float]) -> list[list[str]]:
    name = "end to end, share of the network's own rate"
    ends = {key: value for key, value in found.items() if key.startswith(ENDS)}
    rows = [[f"{name}: {key.removeprefix(ENDS)}", "≥ 80%", f"{v:.0%}"] for key, v in ends.items()]
    return rows or [[name, "≥ 80%", "not measured"]]
