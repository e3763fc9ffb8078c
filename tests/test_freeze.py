"""A frozen version stays what it was, whatever becomes of the board."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bundles import PROTOCOL, folder_of, row
from click.testing import CliRunner
from click.testing import Result as Answer

from facebench.bundles.freeze import check, freeze
from facebench.cli import cli
from facebench.cli.report import write_reports
from facebench.errors import BadInput
from facebench.results.result import SANITY
from facebench.results.versions import content_digest, read_versions
from facebench_reports import to_html


@pytest.fixture
def board(tmp_path: Path) -> Path:
    """Give a board of two rows and a check, drawn."""
    folder = folder_of(tmp_path / "board", row("a", 10.0, 1), row("b", 20.0, 2))
    folder_of(folder, row("mean", 90.0, 9, adapter=SANITY))
    write_reports(folder)
    return folder


def run(*words: object) -> Answer:
    return CliRunner().invoke(cli, ["freeze", *map(str, words)])


def grow(board: Path) -> None:
    folder_of(board, row("c", 5.0, 3))
    write_reports(board)


def test_a_later_row_does_not_change_it(board: Path) -> None:
    answer = run(board, "v1")
    assert answer.exit_code == 0, answer.output
    path = board / "versions" / "v1.json"
    before, leaderboard = path.read_bytes(), json.loads((board / "leaderboard.json").read_text())
    record = json.loads(before)
    assert record["leaderboard"] == leaderboard
    assert record["digest"] == content_digest(record) in answer.output
    grow(board)
    assert path.read_bytes() == before
    assert run(board, "--check").output == f"v1 is unaltered: {record['digest']}\n"


def test_its_digest_is_the_same_on_every_machine(board: Path, tmp_path: Path) -> None:
    other = shutil.copytree(board, tmp_path / "elsewhere" / "b")
    assert freeze(other, "v1").version.digest == freeze(board, "v1").version.digest
    grow(other)
    assert freeze(other, "v2").version.digest != freeze(board, "v2").version.digest


def test_a_name_is_given_once(board: Path) -> None:
    assert run(board, "v1").exit_code == 0
    before = (board / "versions" / "v1.json").read_bytes()
    answer = run(board, "v1")
    assert answer.exit_code == 0 and "is frozen already, with the same rows" in answer.output
    grow(board)
    answer = run(board, "v1")
    assert isinstance(answer.exception, BadInput)
    assert "v1.json is frozen, with other rows or ranks: freeze the board" in str(answer.exception)
    assert (board / "versions" / "v1.json").read_bytes() == before
    assert freeze(board, "v2").version.earlier == {"v1": json.loads(before)["digest"]}
    assert [version.name for version in read_versions(board)] == ["v1", "v2"]


@pytest.mark.parametrize("name", ["", "../v1", "a/b", ".v1", "v1@0", "v 1", "x" * 61, "-v"])
def test_a_name_that_is_no_file_is_refused(name: str, board: Path) -> None:
    with pytest.raises(BadInput, match="cannot be called"):
        freeze(board, name)
    assert not (board / "versions").exists()


def _rank(record: Any) -> None:
    record["leaderboard"]["groups"][0]["rows"][0]["rank"] = 2


def _name(record: Any) -> None:
    record["name"] = "v9"


def _mended(record: Any) -> None:
    _rank(record)
    record["digest"] = content_digest(record)


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (_rank, r"v1\.json was changed after it was frozen"),
        (_name, r"v1\.json was changed after it was frozen"),
        (lambda record: record.pop("digest"), r"v1\.json is not a frozen version"),
        (_mended, r"v1\.json is not what it was when v2 was frozen"),
    ],
)
def test_an_altered_version_is_found(edit: Callable[[Any], Any], says: str, board: Path) -> None:
    freeze(board, "v1")
    grow(board)
    freeze(board, "v2")
    path = board / "versions" / "v1.json"
    record = json.loads(path.read_text())
    edit(record)
    path.write_text(json.dumps(record))
    for words in (["--check"], ["v3"]):
        answer = run(board, *words)
        assert isinstance(answer.exception, BadInput)
        with pytest.raises(BadInput, match=says):
            raise answer.exception


def test_a_version_that_is_gone_is_found(board: Path) -> None:
    freeze(board, "v1")
    freeze(board, "v2")
    (board / "versions" / "v1.json").unlink()
    with pytest.raises(BadInput, match=r"v1\.json is not what it was when v2 was frozen"):
        check(board)


def test_it_is_cited_by_its_digest(board: Path) -> None:
    digest = freeze(board, "v1").version.digest
    assert run(board, f"v1@{digest[:12]}", "--check").exit_code == 0
    for address, says in (
        (f"v1@{'0' * 12}", "is another v1 than"),
        ("v2", "has no version 'v2'; it has: v1"),
        ("v1@", "has no version"),
    ):
        answer = run(board, address, "--check")
        assert isinstance(answer.exception, BadInput) and says in str(answer.exception)


def test_only_what_was_drawn_of_the_rows_is_frozen(board: Path) -> None:
    folder_of(board, row("c", 5.0, 3))
    with pytest.raises(BadInput, match=r"leaderboard\.json is not what the rows of .* give"):
        freeze(board, "v1")
    write_reports(board, correction="holm")
    assert freeze(board, "v1").version.leaderboard.groups[0].correction == "holm"
    (board / "leaderboard.json").unlink()
    with pytest.raises(BadInput, match=r"There is no .*leaderboard\.json: draw the board"):
        freeze(board, "v2")


def test_nothing_frozen_is_nothing_to_check(board: Path) -> None:
    assert "Nothing of" in str(run(board, "--check").exception)
    assert "Give the version a NAME" in run(board).output


def test_the_page_says_which_rank_a_row_has_in_which_version(board: Path) -> None:
    assert "Frozen versions" not in (board / "leaderboard.html").read_text("utf-8")
    one = freeze(board, "v1").version
    grow(board)
    two = freeze(board, "v2").version
    other = row("d", 7.0, 4, protocol=replace(PROTOCOL, crop="none"))
    folder_of(board, other)
    write_reports(board)
    html = (board / "leaderboard.html").read_text("utf-8")
    assert f"do not change: v1 ({one.created[:10]}, {one.digest[:12]}), v2 (" in html
    places = [part.partition("<")[0] for part in html.split('<span class="beside version">')[1:]]
    assert places == [
        "rank 1 in v2",
        *("rank 2 in v2, since v1", "rank 3 in v2, since v1", "in v2, since v1"),
        "after v2",
    ]
    assert two.earlier == {"v1": one.digest}


def test_a_row_that_was_evaluated_again_is_another(board: Path) -> None:
    freeze(board, "v1")
    folder_of(board, row("a", 9.0, 1))
    html = to_html([row("a", 9.0, 1)], board).read_text("utf-8")
    assert '<span class="beside version">after v1</span>' in html


@pytest.mark.processes
def test_bundling_merging_and_freezing_load_no_framework(board: Path, tmp_path: Path) -> None:
    out, made = str(tmp_path / "out"), str(tmp_path / "a.zip")
    steps = [
        ["bundle", str(board), "-o", made],
        ["merge", made, "--out", out],
        ["freeze", out, "v1"],
    ]
    code = (
        "import sys; from facebench.cli import cli; "
        f"[cli(words, standalone_mode=False) for words in {steps!r}]; "
        "sys.exit(bool({'torch', 'keras', 'tensorflow', 'pandas', 'scipy.stats'} & {*sys.modules}))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert (tmp_path / "out" / "versions" / "v1.json").is_file()
