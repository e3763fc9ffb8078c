"""Verdicts on disk: read as written, found for the very record that they judge alone."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from facebench.bundles.verdict import FOLDER, find_verdict, read_verdict, write_verdict
from facebench.errors import BadInput
from facebench.results.digest import row_digest
from facebench.results.result import Protocol, Result, Value, read_result, write_result
from facebench.results.verdict import ComparedPictures, JudgedValue, Verdict
from facebench_reports import to_csv, to_html, to_json

PROTOCOL = Protocol("faces", "0" * 64, "holdout", "108", 64, "lanczos", "random", {}, "fp32", 9, 9)
ROW = Result("mine", "pca", "runs/mine", "d", 0, PROTOCOL, {"fd_random": Value(2.0)})
OTHER = replace(ROW, model="theirs", metrics={"fd_random": Value(3.0)})


def verdict_on(result: Result, **changes: Any) -> Verdict:
    value = JudgedValue(2.0, "reproduced", Value(2.1, groups=(1.0, 3.2)), 1.0, 3.5, 0.7)
    verdict = Verdict(
        model=result.model,
        record=row_digest(result),
        reproduced=True,
        ranking="fd_random",
        level=0.05,
        metrics={"fd_random": value},
        pictures=ComparedPictures("same", 9, 0.0, 0),
        num=9,
        first_seed=1000,
        seed_from="the operating system",
        model_digest="d",
        environment={"device": "cpu"},
        created="2026-01-01T00:00:00+00:00",
    )
    return msgspec.structs.replace(verdict, **changes)


def test_a_verdict_is_read_as_it_was_written(tmp_path: Path) -> None:
    verdict = verdict_on(ROW)
    path = write_verdict(verdict, tmp_path / FOLDER)
    assert path == tmp_path / "verdicts" / "mine.json"
    assert read_verdict(path) == verdict
    assert json.loads(path.read_text())["format"] == "facebench-verdict/1"


def test_the_digest_is_of_what_is_judged_wherever_the_record_lies(tmp_path: Path) -> None:
    elsewhere = replace(
        ROW, model="renamed", path="x", command="y", notes=("z",), environment={"python": "3"},
        created="2026", seconds={"metrics": 1.0}, memory={"metrics": 1.0}, images=3,
    )  # fmt: skip
    assert row_digest(elsewhere) == row_digest(ROW)
    assert row_digest(read_result(write_result(ROW, tmp_path))) == row_digest(ROW)
    for change in (
        {"first_seed": 1},
        {"model_digest": "e"},
        {"protocol": replace(PROTOCOL, crop="140")},
        {"metrics": {"fd_random": Value(2.0, groups=(1.0, 3.0))}},
    ):
        assert row_digest(replace(ROW, **change)) != row_digest(ROW)


def test_a_verdict_is_honoured_for_its_own_record_and_unforeseen_seeds_alone(
    tmp_path: Path,
) -> None:
    write_verdict(verdict_on(ROW), tmp_path / FOLDER)
    assert find_verdict(tmp_path, ROW) == verdict_on(ROW)
    assert find_verdict(tmp_path, OTHER) is None
    assert find_verdict(tmp_path, replace(ROW, metrics={"fd_random": Value(1.9)})) is None
    assert find_verdict(tmp_path, replace(ROW, model="../verdicts/mine")) is None
    write_verdict(verdict_on(ROW, seed_from="the command line"), tmp_path / FOLDER)
    assert find_verdict(tmp_path, ROW) is None
    (tmp_path / FOLDER / "mine.json").write_text('{"format": "facebench-verdict/1"}')
    assert find_verdict(tmp_path, ROW) is None


@pytest.mark.parametrize(
    "change", [{"format": "facebench-verdict/2"}, {"record": "x"}, {"more": 1}, {"num": 0}]
)
def test_what_is_no_verdict_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    path = write_verdict(verdict_on(ROW), tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BadInput, match=r"mine\.json is not a verdict"):
        read_verdict(path)


def test_a_verdict_says_its_format(tmp_path: Path) -> None:
    path = write_verdict(verdict_on(ROW), tmp_path)
    record = json.loads(path.read_text())
    for text in (json.dumps({k: v for k, v in record.items() if k != "format"}), "[]", "7"):
        path.write_text(text)
        with pytest.raises(BadInput, match="is not a verdict of facebench verify"):
            read_verdict(path)


def test_the_board_says_which_rows_were_drawn_again(tmp_path: Path) -> None:
    page = to_html([ROW, OTHER], tmp_path).read_text("utf-8")
    assert 'class="beside badge"' not in page and "Drawn again by others" not in page
    write_verdict(verdict_on(ROW), tmp_path / FOLDER)
    page = to_html([ROW, OTHER], tmp_path).read_text("utf-8")
    assert page.count('data-verdict="reproduced">reproduced</span>') == 1
    assert page.count('<span class="beside badge">reported</span>') == 1
    assert "reproduced: 2.00, redrawn 2.10, must lie in 1.00 – 3.50" in page
    assert "1000 to 1008" in page
    write_verdict(verdict_on(ROW, reproduced=False), tmp_path / FOLDER)
    page = to_html([ROW, OTHER], tmp_path).read_text("utf-8")
    assert page.count('data-verdict="not reproduced">not reproduced</span>') == 1


def test_csv_and_json_hold_it_where_there_is_any(tmp_path: Path) -> None:
    assert "verdict" not in to_csv([ROW, OTHER], tmp_path).read_text()
    assert "verdict" not in to_json([ROW, OTHER], tmp_path).read_text()
    write_verdict(verdict_on(ROW), tmp_path / FOLDER)
    lines = to_csv([ROW, OTHER], tmp_path).read_text().splitlines()
    assert [line.rpartition(",")[2] for line in lines] == ["verdict", "reproduced", "reported"]
    [group] = json.loads(to_json([ROW, OTHER], tmp_path).read_text())["groups"]
    assert [row["verdict"] for row in group["rows"]] == ["reproduced", "reported"]
