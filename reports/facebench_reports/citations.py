"""What a paper that quotes a board has to cite: the metrics, the networks and the tools, as BibTeX.

A metric names its paper itself, by arXiv's number or a DOI; ``references.bib`` has the entry. A
plug-in's metric whose paper is not in it becomes an entry of what it says.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

from facebench.files import write_text
from facebench.metrics.multiplicity import Correction
from facebench.metrics.table import is_known, metric
from facebench.results.result import Protocol, Result

_IDENTIFIER = re.compile(r"(?:arXiv:|doi:)([^\s,;()]+)")
_IN_ENTRY = re.compile(r"(?:eprint|doi) = {([^}]+)}")
_KEY = re.compile(r"@\w+{([^,]+),")
_WORD = re.compile(r"[^a-z0-9]+")
_NETWORKS = {
    "inception": "szegedy2016",
    "dinov2": "oquab2024",
    "clip": "radford2021",
}
_TOOLS = {
    "torch-fidelity": "obukhov2020",
    "pytorch-fid": "seitzer2020",
    "clean-fid": "parmar2022",
    "prdc": "naeem2020",
    "dgm-eval": "stein2023",
}


def to_bibtex(
    results: Sequence[Result],
    folder: Path,
    force: bool = False,
    training_faces: bool = True,
    correction: Correction = "none",
) -> Path:
    """Write ``folder/leaderboard.bib``, what the board's numbers are owed to; return its path."""
    target = folder / "leaderboard.bib"
    write_text(target, bibliography(results))
    return target


def bibliography(results: Iterable[Result]) -> str:
    """Return BibTeX entries, each once: of metrics in the board's order, then networks and tools.

    Each says which metrics it stands for.
    """
    owed: dict[str, list[str]] = {}
    for result in results:
        for entry, what in (*_of_metrics(result), *_of_protocol(result.protocol)):
            said = owed.setdefault(entry, [])
            said.extend([what] if what not in said else [])
    return "\n\n".join(f"% {', '.join(said)}\n{entry}" for entry, said in owed.items()) + "\n"


def _of_metrics(result: Result) -> Iterator[tuple[str, str]]:
    for key in result.metrics:
        if is_known(key) and (paper := metric(key).paper):
            found = [_known()[each] for each in _IDENTIFIER.findall(paper) if each in _known()]
            yield from ((entry, metric(key).title) for entry in found or [_unknown(paper)])


def _of_protocol(protocol: Protocol) -> Iterator[tuple[str, str]]:
    for name in protocol.extractor.split(","):
        network = name.partition("@")[0]
        if network in _NETWORKS:
            yield _known()[_NETWORKS[network]], f"the network {network}"
    if protocol.mode in _TOOLS:
        yield _known()[_TOOLS[protocol.mode]], f"the definitions of {protocol.mode}"


@cache
def _known() -> dict[str, str]:
    """Return the entries of ``references.bib``, each by its key and by what else identifies it."""
    text = (files("facebench_reports") / "references.bib").read_text("utf-8")
    entries = [entry.strip() for entry in text.split("\n\n")]
    by_name = dict[str, str]()
    for entry in entries:
        key = _KEY.match(entry)
        assert key, entry
        by_name |= dict.fromkeys([key[1], *_IN_ENTRY.findall(entry)], entry)
    return by_name


def _unknown(paper: str) -> str:
    """Return an entry that says what a metric says of its paper."""
    said = re.sub(r"[\\{}%]", "", paper)
    key = _WORD.sub("", said.lower())[:24] or "metric"
    lines = [f"  note = {{{said}}}"]
    if found := re.search(r"arXiv:(\d+\.\d+)", said):
        lines += [f"  eprint = {{{found[1]}}}", "  archiveprefix = {arXiv}"]
    return f"@misc{{{key},\n" + ",\n".join(lines) + "\n}"
