"""Boards whose ranks are corrected for the number of pairs, and what all boards say of it."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console

from facebench.cli import cli
from facebench.cli.report import write_reports
from facebench.metrics.multiplicity import Correction
from facebench.results.result import SANITY, Protocol, Result, Value, write_result
from facebench_reports import terminal_table, to_csv, to_html, to_json, to_latex, to_markdown
from facebench_reports.board import boards

PROTOCOL = Protocol(
    *("faces64", "ab" * 32, "holdout", "140", 64, "lanczos", "inception"),
    *({"inception": "a" * 64}, "float32", 1000, 1000),
)
KINDS: tuple[Correction, Correction] = ("none", "holm")
NOT_CORRECTED = "Ranks are not corrected for the number of pairs (6)."
CORRECTED = "Ranks and bold are corrected for the number of pairs (6; Holm)."


def row(name: str, level: float, seed: int, adapter: str = "images") -> Result:
    noise = np.random.default_rng(seed).normal(0, 1, 32)
    fid = Value(level, groups=tuple((level + noise - noise.mean()).tolist()))
    created = "2026-01-02T03:04:05Z"
    return Result(
        *(name, adapter, "runs/a", "d" * 64, 0, PROTOCOL, {"fid": fid}),
        environment={"device": "cpu"},
        created=created,
    )


@pytest.fixture
def rows() -> list[Result]:
    """Two pairs of models whose difference has a p of .03 or so, and a check."""
    levels = {"a": 10.0, "b": 10.54, "c": 30.0, "d": 30.54}
    models = [row(name, level, seed) for seed, (name, level) in enumerate(levels.items())]
    return [*models, row("copycat", 1.0, 9, SANITY)]


def test_differences_that_the_number_of_pairs_explains_are_no_longer_called(
    rows: list[Result],
) -> None:
    [plain], [corrected] = boards(rows), boards(rows, correction="holm")
    assert [each.place for each in plain.rows] == ["—", "1", "2", "3", "4"]
    assert [each.place for each in corrected.rows] == ["—", "1=", "1=", "3=", "3="]
    best = [
        [bool(each.cells[0] and each.cells[0].best) for each in b.rows] for b in (plain, corrected)
    ]
    assert best == [[False, True, False, False, False], [False, True, True, False, False]]


def test_every_form_says_whether_ranks_are_corrected(rows: list[Result], tmp_path: Path) -> None:
    for reporter in (to_html, to_markdown, to_latex):
        for correction, says in zip(KINDS, (NOT_CORRECTED, CORRECTED), strict=True):
            text = reporter(rows, tmp_path, correction=correction).read_text("utf-8")
            assert says in text.replace("\\", "")
    console = Console(width=400, color_system=None)
    with console.capture() as capture:
        console.print(terminal_table(rows), terminal_table(rows, correction="holm"))
    assert NOT_CORRECTED in capture.get() and CORRECTED in capture.get()
    assert "(paired t-test, Holm, p < 0.05)" in capture.get()


def test_the_files_tell_the_correction_where_there_is_one(
    rows: list[Result], tmp_path: Path
) -> None:
    for correction, told in zip(KINDS, (None, "holm"), strict=True):
        [group] = json.loads(to_json(rows, tmp_path, correction=correction).read_text())["groups"]
        assert group.get("correction") == told
        with to_csv(rows, tmp_path, correction=correction).open() as stream:
            assert {line.get("correction") for line in csv.DictReader(stream)} == {told}


def test_where_there_is_one_pair_or_no_test_nothing_is_said(rows: list[Result]) -> None:
    without = [Result(**{**vars(each), "metrics": {"fid": Value(1.0)}}) for each in rows]
    for few in (rows[:2], without):
        for board in (*boards(few), *boards(few, correction="holm")):
            assert board.pairs < 2
    assert boards(rows)[0].pairs == 6  # the check takes no part


def test_the_command_passes_it_on(rows: list[Result], tmp_path: Path) -> None:
    for each in rows:
        write_result(each, tmp_path)
    words = ["report", str(tmp_path), "--to", "json,markdown", "--correction", "holm"]
    assert CliRunner().invoke(cli, words).exit_code == 0
    assert CORRECTED in (tmp_path / "leaderboard.md").read_text("utf-8").replace("\\", "")


def test_a_plug_in_that_takes_no_correction_is_not_run_with_one(
    rows: list[Result],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    runs = []

    def theirs(results: Sequence[Result], folder: Path, force: bool = False) -> None:
        runs.append(folder)

    for each in rows:
        write_result(each, tmp_path)
    monkeypatch.setattr("facebench.plugins.registry.names", lambda kind: ["theirs"])
    monkeypatch.setattr("facebench.plugins.registry.find", lambda kind, name: theirs)
    write_reports(tmp_path)
    with pytest.raises(SystemExit, match="1"):
        write_reports(tmp_path, correction="holm")
    assert runs == [tmp_path]
    assert "theirs was not run: it takes no correction" in capsys.readouterr().err
