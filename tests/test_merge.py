"""One board of strangers' rows: what one evaluation of all would show, or a refusal by name."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bundles import PROTOCOL, edited, files_of, folder_of, row, value
from click.testing import CliRunner
from click.testing import Result as Answer
from msgspec import structs

from facebench.bundles.bundle import write_bundle
from facebench.bundles.merge import merge
from facebench.bundles.strict_zip import pack
from facebench.bundles.verdict import write_verdict
from facebench.cli import cli
from facebench.errors import BadInput
from facebench.results.digest import row_digest
from facebench.results.result import Result, Value, read_result, read_results
from facebench.results.verdict import ComparedPictures, JudgedValue, Verdict

OTHER_DATA = replace(PROTOCOL, dataset_digest="ef" * 32)


def bundle_of(place: Path, name: str, *rows: Result) -> Path:
    path = place / f"{name}.facebench.zip"
    write_bundle(folder_of(place / name, *rows), path)
    return path


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    """Give a bundle of the rows a and b."""
    return bundle_of(tmp_path, "ours", row("a", 10.0, 1), row("b", 20.0, 2))


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """Give a bundle of the row c."""
    return bundle_of(tmp_path, "theirs", row("c", 10.1, 3))


def run(*words: object) -> Answer:
    return CliRunner().invoke(cli, ["merge", *map(str, words)])


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def ranks(folder: Path) -> dict[str, int]:
    groups = json.loads((folder / "leaderboard.json").read_text("utf-8"))["groups"]
    return {each["model"]: each["rank"] for group in groups for each in group["rows"]}


def test_strangers_rows_stand_on_one_board(ours: Path, theirs: Path, tmp_path: Path) -> None:
    answer = run(ours, theirs, "--out", tmp_path / "board")
    assert answer.exit_code == 0, answer.output
    assert "Note" not in answer.output
    assert ranks(tmp_path / "board") == {"a": 1, "c": 1, "b": 3}
    lain = {"a.json", "b.json", "c.json", "samples/a.png", "samples/b.png", "samples/c.png"}
    forms = {f"leaderboard.{kind}" for kind in ("html", "json", "csv", "md", "tex")}
    assert content(tmp_path / "board").keys() == lain | forms


def test_once_more_it_changes_nothing(ours: Path, theirs: Path, tmp_path: Path) -> None:
    board = tmp_path / "board"
    assert run(ours, theirs, "--out", board).exit_code == 0
    before = content(board)
    for sources in ([theirs, ours], [board, ours], [theirs, board, theirs]):
        answer = run(*sources, "--out", board)
        assert answer.exit_code == 0, answer.output
        assert content(board) == before
    assert "Note: of theirs these rows are there already: c." in answer.output


def test_a_board_grows(ours: Path, theirs: Path, tmp_path: Path) -> None:
    step, whole = tmp_path / "step", tmp_path / "whole"
    for sources in ([ours], [theirs]):
        assert run(*sources, "--out", step).exit_code == 0
    assert run(step, "--out", tmp_path / "copy").exit_code == 0
    assert run(ours, theirs, "--out", whole).exit_code == 0
    assert content(step) == content(whole) == content(tmp_path / "copy")


def test_a_folder_is_merged_as_its_bundle_would_be(ours: Path, tmp_path: Path) -> None:
    assert run(ours, "--out", tmp_path / "one").exit_code == 0
    assert run(tmp_path / "ours", "--out", tmp_path / "two").exit_code == 0
    assert content(tmp_path / "one") == content(tmp_path / "two")
    assert not any("reference" in name for name in content(tmp_path / "two"))


def test_own_rows_stay_as_they_are(ours: Path, theirs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "ours"
    before = content(folder)
    assert run(theirs, ours, "--out", folder).exit_code == 0
    assert {name: content(folder)[name] for name in before} == before
    assert read_result(folder / "a.json").path == "/home/me/runs/a"


def test_another_row_of_a_name_takes_its_bundle_s(ours: Path, tmp_path: Path) -> None:
    one, two = row("a", 12.0, 7), row("a", 14.0, 8)
    x = bundle_of(tmp_path / "1", "we & they", one)
    y = bundle_of(tmp_path / "2", "we & they", two)
    board = tmp_path / "board"
    answer = run(ours, x, y, "--out", board)
    assert "that of we & they is called a@we-they here" in answer.output
    named = {each.model: each.metrics["fid"].value for each in read_results(board)}
    assert named == {"a": 10.0, "b": 20.0, "a@we-they": 12.0, "a@we-they-2": 14.0}
    assert (board / "samples" / "a@we-they-2.png").is_file()
    before = content(board)
    assert run(y, x, "--out", board).exit_code == 0
    assert content(board) == before


def test_the_same_row_under_two_names_is_one(ours: Path, tmp_path: Path) -> None:
    again = bundle_of(tmp_path, "again", replace(row("x", 10.0, 1), created="later"))
    board = merge([ours, again], tmp_path / "board")
    assert {*board.rows} == {"a", "b"}
    assert board.said == ["of again these rows are there already: x (as a)"]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"dataset_digest": "ef" * 32}, "dataset_digest abababababab and efefefefefef"),
        ({"crop": "108"}, "crop 140 and 108"),
        ({"num": 500}, "num 1000 and 500"),
        ({"weights": {"inception": "b" * 64}}, "weights inception:aaaa"),
    ],
)
def test_unlike_protocols_stand_apart_or_are_refused_by_name(
    changed: dict[str, Any], says: str, ours: Path, tmp_path: Path
) -> None:
    metrics = {"fid": value(10.1, 1.0, 3, floor=3.0)}
    other = row("c", 10.1, 3, protocol=replace(PROTOCOL, **changed), metrics=metrics)
    theirs = bundle_of(tmp_path, "theirs", other)
    answer = run(ours, theirs, "--out", tmp_path / "board", "--strict")
    assert isinstance(answer.exception, BadInput)
    assert f"a of ours and c of theirs were measured under unlike protocols ({says}" in str(
        answer.exception
    )
    assert not (tmp_path / "board").exists()
    answer = run(ours, theirs, "--out", tmp_path / "board")
    assert answer.exit_code == 0 and says in answer.output
    assert ranks(tmp_path / "board") == {"a": 1, "b": 2, "c": 1}
    assert "different protocols" in (tmp_path / "board" / "leaderboard.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("beside", "says"),
    [
        ({"floor": 0.6}, "its noise floor of fid is 0.6, not 0.5"),
        ({"floor": 0.5, "reference": 3.0}, ""),
    ],
)
def test_other_real_images_than_said_are_found_by_what_they_score(
    beside: dict[str, float], says: str, ours: Path, tmp_path: Path
) -> None:
    other = row("c", 10.1, 3, metrics={"fid": value(10.1, 1.0, 3, **beside)})
    theirs = bundle_of(tmp_path, "theirs", other)
    if not says:
        assert {*merge([ours, theirs], tmp_path / "board").rows} == {"a", "b", "c"}
        return
    with pytest.raises(BadInput, match=f"c of theirs says that .* as a of ours, and {says}"):
        merge([ours, theirs], tmp_path / "board")
    assert not (tmp_path / "board").exists()


def test_what_another_machine_rounds_is_no_other_set_of_images(ours: Path, tmp_path: Path) -> None:
    metrics = {
        "fid": value(10.1, 1.0, 3, floor=0.5002),
        "recall": value(0.5, 0.1, 3, floor=0.803),
    }
    theirs = bundle_of(tmp_path, "theirs", row("c", 10.1, 3, metrics=metrics))
    assert {*merge([ours, theirs], tmp_path / "board").rows} == {"a", "b", "c"}


def test_what_is_of_as_many_faces_as_a_model_shows_may_differ(ours: Path, tmp_path: Path) -> None:
    rows = [
        row(name, 10.0, seed, metrics={"identity_diversity": value(90.0, 9.0, seed, None, own)})
        for name, seed, own in (("c", 3, 94.0), ("d", 4, 141.0))
    ]
    theirs = bundle_of(tmp_path, "theirs", *rows)
    assert {*merge([ours, theirs], tmp_path / "board").rows} == {"a", "b", "c", "d"}


def test_what_no_test_can_be_made_of_is_said(ours: Path, tmp_path: Path) -> None:
    theirs = bundle_of(tmp_path, "theirs", row("c", 1.0, metrics={"fid": Value(1.0)}))
    says = "c of theirs has no pseudo-values of fid, so no difference can be tested"
    assert says in merge([ours, theirs], tmp_path / "board").said[0]
    with pytest.raises(BadInput, match=says):
        merge([ours, theirs], tmp_path / "other", strict=True)
    assert not (tmp_path / "other").exists()


def _value(record: Any) -> None:
    record["metrics"]["fid"]["value"] = 1.0


def _digest(record: Any) -> None:
    record["protocol"]["dataset_digest"] = "ab" * 32


def _junk(path: Path) -> None:
    path.write_bytes(pack(files_of(path) | {"../../etc/cron.d/x": b"* * * * * root id"}))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda path: edited(path, "results/c.json", _value, mended=False), "c.json was changed"),
        (lambda path: edited(path, "results/c.json", _value, mended=True), "its fid is 1, and the"),
        (lambda path: edited(path, "results/c.json", _digest, mended=True), "its noise floor of"),
        (_junk, "'../../etc/cron.d/x' would lie outside"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "was cut short"),
    ],
)
def test_what_is_refused_leaves_nothing_and_changes_nothing(
    spoil: Callable[[Path], None], says: str, ours: Path, tmp_path: Path
) -> None:
    metrics = {"fid": value(10.1, 1.0, 3, floor=3.0)}
    other = row("c", 10.1, 3, protocol=OTHER_DATA, metrics=metrics)
    theirs = bundle_of(tmp_path, "theirs", other)
    spoil(theirs)
    board = tmp_path / "board"
    for _ in range(2):
        before = content(tmp_path)
        answer = run(ours, theirs, "--out", board)
        assert isinstance(answer.exception, BadInput), answer.output
        assert says in str(answer.exception)
        assert content(tmp_path) == before
        assert run(ours, "--out", board).exit_code == 0


def test_nothing_to_merge_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name, says in (("empty", "holds no results"), ("none.zip", "There is no file")):
        answer = run(tmp_path / name, "--out", tmp_path / "board")
        assert isinstance(answer.exception, BadInput) and says in str(answer.exception)
    assert not (tmp_path / "board").exists()


def test_a_merge_that_was_stopped_goes_on(ours: Path, theirs: Path, tmp_path: Path) -> None:
    board, whole = tmp_path / "board", tmp_path / "whole"
    assert run(ours, theirs, "--out", whole).exit_code == 0
    assert run(ours, "--out", board).exit_code == 0
    shutil.copy(whole / "samples" / "c.png", board / "samples" / "c.png")  # so far it came
    assert run(ours, theirs, "--out", board).exit_code == 0
    assert content(board) == content(whole)


def verdict_on(result: Result, *, reproduced: bool = True, **changed: Any) -> Verdict:
    made = Verdict(
        model="theirs",
        record=row_digest(result),
        reproduced=reproduced,
        ranking="fid",
        level=0.05,
        metrics={"fid": JudgedValue(10.0, "reproduced")},
        pictures=ComparedPictures("same", 36, 0.0, 0),
        num=1000,
        first_seed=77,
        seed_from="the operating system",
        model_digest="cd" * 32,
        environment={},
        created="2026-11-27T00:00:00+00:00",
    )
    return structs.replace(made, **changed)


def badges(board: Path) -> dict[str, str]:
    groups = json.loads((board / "leaderboard.json").read_text("utf-8"))["groups"]
    return {each["model"]: each["verdict"] for group in groups for each in group["rows"]}


def test_a_verdict_finds_its_row_whatever_that_is_called(ours: Path, tmp_path: Path) -> None:
    one = row("a", 12.0, 7)
    theirs, board = bundle_of(tmp_path, "theirs", one), tmp_path / "board"
    path = write_verdict(verdict_on(one), tmp_path / "v")
    answer = run(ours, theirs, path, "--out", board)
    assert answer.exit_code == 0, answer.output
    assert badges(board) == {"a": "reported", "a@theirs": "reproduced", "b": "reported"}
    before = content(board)
    assert run(path, "--out", board).exit_code == 0
    assert content(board) == before
    assert run(board, "--out", tmp_path / "copy").exit_code == 0
    assert content(tmp_path / "copy") == before
    assert CliRunner().invoke(cli, ["freeze", str(board), "v1"]).exit_code == 0


def test_verdicts_that_say_nothing_of_a_row_are_left_out(ours: Path, tmp_path: Path) -> None:
    chosen = verdict_on(row("a", 10.0, 1), model="x", seed_from="the command line")
    other = verdict_on(row("a", 10.5, 1), model="y")
    paths = [write_verdict(each, tmp_path) for each in (chosen, other)]
    answer = run(ours, *paths, "--out", tmp_path / "board")
    assert "a verdict on x is of seeds that somebody chose" in answer.output
    assert "a verdict on y is about no row here" in answer.output
    assert not (tmp_path / "board" / "verdicts").exists()


@pytest.mark.parametrize("first", [True, False])
def test_of_two_verdicts_the_worse_stays(first: bool, ours: Path, tmp_path: Path) -> None:
    one = row("a", 10.0, 1)
    paths = [
        write_verdict(verdict_on(one, model=name, reproduced=is_good), tmp_path)
        for name, is_good in (("x", first), ("y", not first))
    ]
    answer = run(ours, *paths, "--out", tmp_path / "board")
    assert "of two verdicts on a the one stays that it is not reproduced" in answer.output
    assert badges(tmp_path / "board")["a"] == "not reproduced"
    assert run(*reversed(paths), "--out", tmp_path / "board").exit_code == 0
    assert badges(tmp_path / "board")["a"] == "not reproduced"


def test_no_row_is_no_board(tmp_path: Path) -> None:
    path = write_verdict(verdict_on(row("a", 10.0, 1)), tmp_path)
    with pytest.raises(BadInput, match="There are no rows for"):
        merge([path], tmp_path / "board")
    path.write_text("{}")
    with pytest.raises(BadInput, match="is not a verdict"):
        merge([bundle_of(tmp_path, "x", row("a", 10.0, 1)), path], tmp_path / "board")
    assert not (tmp_path / "board").exists()
