"""Many boards as one folder of files, for any web server or a static Space of Hugging Face.

``index.html`` names the boards, each with its first rows; a folder each has the board's page, its
tables to compute with, and what is to be downloaded beside them. No page runs a script of others,
or loads anything from elsewhere.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

import facebench
from facebench.errors import BadInput
from facebench.files import atomic_folder, read_json, write_json, write_text
from facebench.results.result import read_results
from facebench.results.versions import FOLDER as VERSIONS
from facebench.results.versions import read_versions
from facebench.text import in_one_line, listed
from facebench_reports import protocol_text
from facebench_reports.board import Board, Row, boards
from facebench_reports.citations import to_bibtex
from facebench_reports.csv_and_json import to_csv, to_json
from facebench_reports.page import to_html
from facebench_reports.withheld import sentences

FORMAT = "facebench-site/1"
MARK = "site.json"
"""The file by which a folder is known to be a site, and may be replaced."""
FIRST = 5
"""Rows of a board that stand on the index."""
_NOT_TAKEN = ("leaderboard.*", "history", ".*", "*.zip")

More = Callable[[Path, Path], Mapping[str, str]]
"""Writes what else is to be downloaded from a results folder into another; its names and words."""


@dataclass(frozen=True)
class Shown:
    """A board as the index shows it."""

    name: str
    """Of its folder on the site."""
    board: Board
    """Of its largest protocol."""
    summary: str
    files: Mapping[str, str]
    """What can be taken from there: its words, by the file's name."""
    withheld: Sequence[str]

    @property
    def rows(self) -> Sequence[Row]:
        """Those that come first."""
        return [row for row in self.board.rows if row.rank is not None][:FIRST]

    @property
    def left(self) -> int:
        """How many more models there are."""
        return sum(row.rank is not None for row in self.board.rows) - len(self.rows)

    @property
    def updated(self) -> str:
        """The day of its last row."""
        return max(result.created for result in self.board.results)[:10]


def write_site(
    folders: Sequence[Path],
    out: Path,
    *,
    title: str = "Face generator leaderboards",
    training_faces: bool = True,
    more: More = lambda results, target: {},
) -> Path:
    """Write the site of several results folders and return its index.

    A site that is there is replaced as a whole, or not at all.

    Args:
        folders: results folders; each one's own name is its place on the site.
        out: the folder to write, which may hold an earlier site and nothing else.
        title: what stands above the boards.
        training_faces: whether pictures of real people may go out: see
            :mod:`facebench_reports.withheld`.
        more: writes what else is to be had of a board.

    Raises:
        BadInput: for folders without results, two of one name, and an `out` that is something else.
    """
    places = _places(folders)
    _require_replaceable(out, folders)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".site-") as scratch:
        new = Path(scratch) / "site"
        with atomic_folder(new) as partial:
            shown = [
                _write_board(folder, partial / name, name, training_faces, more)
                for name, folder in places.items()
            ]
            write_text(partial / "index.html", _index(title, shown))
            write_text(partial / "README.md", _space(title))
            write_json(partial / MARK, {"format": FORMAT, "boards": sorted(places)})
        _swap(new, out, Path(scratch) / "before")
    return out / "index.html"


def _swap(new: Path, out: Path, before: Path) -> None:
    """Put `new` in the place of `out`, which moves to `before`; both stay where that fails."""
    if out.exists():
        out.rename(before)
    try:
        new.rename(out)
    except BaseException:
        if before.exists():
            before.rename(out)
        raise


def _places(folders: Sequence[Path]) -> dict[str, Path]:
    """Return the folders by the names that they have on the site."""
    if not folders:
        raise BadInput("There is no board to show: name results folders.")
    names = [folder.resolve().name for folder in folders]
    if twice := {name for name in names if names.count(name) > 1}:
        raise BadInput(
            f"There are several folders called {listed(twice)}: their names are their places on "
            "the site, so give one of them another."
        )
    if taken := {name for name in names if name in ("index.html", "README.md", MARK)}:
        raise BadInput(f"A board cannot be called {listed(taken)}: give its folder another name.")
    return dict(zip(names, folders, strict=True))


def _require_replaceable(out: Path, folders: Sequence[Path]) -> None:
    """Refuse to replace anything but a site, and a site that holds what it is to be made of."""
    if any(out.resolve() in (each.resolve(), *each.resolve().parents) for each in folders):
        raise BadInput(
            f"{out} holds a board that is to be shown: name another folder for the site."
        )
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    mark = out / MARK
    record = read_json(mark) if mark.is_file() else None
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise BadInput(f"{out} is there and no site of facebench: name another folder.")


def _write_board(folder: Path, target: Path, name: str, training_faces: bool, more: More) -> Shown:
    results = read_results(folder)
    target.mkdir(parents=True)
    with _copied(folder) as copy:
        for write in (to_html, to_csv, to_json, to_bibtex):
            written = write(results, copy, training_faces=training_faces)
            shutil.copy(written, target / written.name)
    files = {
        "leaderboard.csv": "CSV",
        "leaderboard.json": "JSON",
        "leaderboard.bib": "BibTeX",
        **_copy_versions(folder, target),
        **more(folder, target),
    }
    groups = boards(results)
    withheld = [] if training_faces else sentences(results)
    return Shown(name, groups[0], protocol_text.summary(groups), files, withheld)


def _copy_versions(folder: Path, target: Path) -> dict[str, str]:
    """Copy a board's frozen versions, and return them as files with words."""
    files = {
        f"{VERSIONS}/{each.name}.json": f"frozen {each.name}" for each in read_versions(folder)
    }
    for name in files:
        (target / name).parent.mkdir(exist_ok=True)
        shutil.copy(folder / name, target / name)
    return files


@contextmanager
def _copied(folder: Path) -> Iterator[Path]:
    """Yield a copy of what a page is drawn from: the user's own board is left as it is."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "results"
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(*_NOT_TAKEN))
        yield copy


def _index(title: str, shown: Sequence[Shown]) -> str:
    template = Environment(
        loader=PackageLoader("facebench_reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template("site.html")
    return template.render(
        title=title,
        shown=shown,
        protocols=protocol_text,
        places=_by_model(shown),
        version=facebench.__version__,
    )


def _by_model(shown: Sequence[Shown]) -> dict[str, list[str]]:
    """Return each model's place on every board, of models that are on more than one."""
    found: dict[str, list[str]] = {}
    for i, each in enumerate(shown):
        for row in each.board.rows:
            if row.rank is not None:
                found.setdefault(row.result.model, [""] * len(shown))[i] = row.place
    return {model: places for model, places in sorted(found.items()) if _several(places)}


def _several(places: Sequence[str]) -> bool:
    return sum(map(bool, places)) > 1


def _space(title: str) -> str:
    """Return the card by which Hugging Face serves the folder as a static Space."""
    quoted = in_one_line(title).replace("\\", "\\\\").replace('"', '\\"')
    return (
        f'---\ntitle: "{quoted}"\nsdk: static\napp_file: index.html\n---\n\n'
        f"Made by facebench {facebench.__version__}: open `index.html`.\n"
    )
