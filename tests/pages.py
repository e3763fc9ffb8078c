"""The pages that people copy from, taken apart; and packages, put where pip would put them."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = (README, *sorted(DOCS.glob("*.md")))

_BLOCK = re.compile(
    r"(?:^<!-- test: (\S+) -->\n)?^( *)```(\w*)\n(.*?)^\2```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """A fenced block, of a language or of none, and the name that a comment above it gives."""

    page: Path
    name: str
    language: str
    text: str

    @property
    def lines(self) -> list[str]:
        """Its lines, each with those that a backslash joins to it."""
        return [line for line in re.sub(r"\\\n\s*", "", self.text).splitlines() if line]


def blocks(page: Path, language: str | None = None) -> Iterator[Block]:
    """Yield the fenced blocks of `page`, of one language or of any."""
    for name, _, found, text in _BLOCK.findall(page.read_text("utf-8")):
        if language in (None, found):
            yield Block(page, name, found, dedent(text))


def spans(page: Path) -> Iterator[str]:
    """Yield what stands between backticks in the text of `page`."""
    prose = _BLOCK.sub("", page.read_text("utf-8"))
    return (" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose))


def run(
    place: Path, *words: str, given: str = "", **environment: str
) -> "subprocess.CompletedProcess[str]":
    """Run Python in `place`, with the packages that were installed there."""
    return subprocess.run(
        [sys.executable, *words],
        cwd=place,
        env=os.environ
        | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        | {"PYTHONPATH": os.pathsep.join([str(place), *sys.path])}
        | {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "2"}
        | environment,
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )


def install(
    site: Path, name: str, module: str, entry_points: Mapping[str, Mapping[str, str]]
) -> None:
    """Put a package of one module, and its entry points, into the folder `site`."""
    (site / f"{name.replace('-', '_')}.py").write_text(module)
    info = site / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = []
    for group, entries in entry_points.items():
        lines += [f"[{group}]", *(f"{key} = {value}" for key, value in entries.items())]
    (info / "entry_points.txt").write_text("\n".join(lines))


def install_page(page: str, site: Path) -> Path:
    """Install the package that a page of docs/ shows, of forty lines at most, into `site`."""
    named = {block.name: block.text for block in blocks(DOCS / page) if block.name}
    project = tomllib.loads(named.pop("pyproject.toml"))["project"]
    ((_, module),) = named.items()
    assert len(module.splitlines()) <= 40
    install(site, project["name"], module, project["entry-points"])
    return site


def install_tinyflow(site: Path) -> None:
    """Install the adapter of docs/adapters.md, and lay a model of its kind into `site`."""
    install_page("adapters.md", site)
    colours = [[0, 0.1, 0.2], [0.9, 0.8, 1]]
    (site / "palette.json").write_text(json.dumps({"colours": colours}))
