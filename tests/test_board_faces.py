"""Faces on the board: a section of their own, and boards that show no real person."""

import csv
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from face_results import ATTRIBUTES, PROTOCOL, faces_of, leakage, result, with_rows
from PIL import Image
from rich.console import Console

from facebench.cli import cli
from facebench.cli.report import write_reports
from facebench.results.result import SANITY, Result, Value, as_record, write_result
from facebench.results.visuals import Gallery, Visuals, visuals_folder, write_visuals
from facebench_reports import (
    loggers,
    terminal_table,
    to_csv,
    to_html,
    to_json,
    to_latex,
    to_markdown,
)
from facebench_reports.board import boards

OF_IMAGES = ["fid", "precision", "recall"]
MANY = [f"share_{name}" for name in ATTRIBUTES]


@pytest.fixture(autouse=True)
def _rows(monkeypatch: pytest.MonkeyPatch) -> None:
    with_rows(monkeypatch)


@pytest.fixture
def models() -> list[Result]:
    """A model that leaks, one of which it is not sure, one that does not, and a copycat."""
    return [result("leaky", 0), result("doubtful", 2), result("copycat", 3, SANITY)]


def text_of(html: str) -> str:
    class Text(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.parts: list[str] = []

        def handle_data(self, data: str) -> None:
            self.parts.append(data)

    parser = Text()
    parser.feed(html)
    return " ".join(" ".join(parser.parts).split())


def page_of(results: Sequence[Result], folder: Path, **options: Any) -> str:
    html = to_html(results, folder, **options).read_text("utf-8")
    return re.sub("<script.*?</script>", "", html, flags=re.S)


def test_no_metric_of_faces_widens_the_table_that_ranks(models: list[Result]) -> None:
    [board] = boards(models)
    assert [column.key for column in board.columns] == OF_IMAGES
    assert all(len(row.cells) == 3 for row in board.rows)
    assert {column.key for column in board.face_columns} == faces_of().keys()
    assert board.ordering.key == "fid"


def test_faces_alone_are_the_table(tmp_path: Path) -> None:
    few = {key: value for key, value in faces_of().items() if key == "identity_leakage"}
    alone = result("a", metrics=few, failed={})
    [board] = boards([alone])
    assert [column.key for column in board.columns] == ["identity_leakage"]
    assert not board.face_columns and board.faces_in_brief is None
    page = text_of(page_of([alone], tmp_path))
    assert "Of 1,000 faces about 31" in page and "Faces in numbers" not in page


def test_the_page_has_a_section_on_faces(models: list[Result], tmp_path: Path) -> None:
    page = text_of(page_of(models, tmp_path))
    assert "looked at (by faces-dlib)" in page and "faces faces-dlib" in page
    assert page.count("Do they look like people of the training set?") == 3
    assert "Of 1,000 faces about 31 (22 to 42) look like someone" in page
    assert "copycat, sanity check" in page
    assert "Not measured: necktie. The reason: its probe tells only AUC 0.81" in page
    assert "Faces in numbers: nobody is ranked by them." in page
    assert "0.031 0.022 – 0.042" in page and "own 930" in page
    assert "eyeglasses 0.090 0.050 ≠ (differs from real images)" in page
    assert "Identity leakage, read with excess 0.02121" in page
    assert "Identity leakage, the worst first" in page


def test_what_holds_for_all_models_is_said_once(models: list[Result], tmp_path: Path) -> None:
    once = "Of the real photographs that were held out 670 of 1,000 are so alike"
    assert text_of(page_of(models, tmp_path)).count(once) == 1
    apart = {"identity_leakage": leakage(0.0, 0.0, 0.0, holdout=0.01)}
    other = replace(models[1], metrics={**models[1].metrics, **apart})
    page = text_of(page_of([models[0], other, models[2]], tmp_path))
    assert page.count(once) == 2 and page.count("held out 10 of 1,000 are") == 1


def test_without_faces_there_is_no_section(tmp_path: Path) -> None:
    bare = result("a", metrics={"fid": Value(3.0)}, failed={})
    bare = replace(bare, protocol=replace(PROTOCOL, faces=""))
    page = text_of(page_of([bare], tmp_path))
    assert "Faces" not in page.replace("Face generator leaderboard", "")
    assert "faces" not in to_csv([bare], tmp_path).read_text("utf-8").splitlines()[0]


def test_of_many_models_the_first_are_told_of(tmp_path: Path) -> None:
    many = [result(f"model-{i:02}", 0, failed={}) for i in range(30)]
    page = text_of(page_of(many, tmp_path))
    assert "The first 24 rows are told of here; the numbers of the other 6 are in the table" in page
    assert page.count("Are they faces?") == 24


def test_hostile_names_and_words_are_text(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>"
    value = leakage(0.03, 0.02, 0.04, way=hostile, **{hostile: hostile})
    value = replace(value, classes={hostile: 0.1, "b": 0.0})
    metrics = {"fid": Value(3.0), "identity_leakage": value, "share_" + hostile: Value(0.1)}
    made = result(hostile, metrics=metrics, failed={"face_rate": hostile})
    html = to_html([made], tmp_path).read_text("utf-8")
    assert "<script>alert" not in html


def test_what_is_not_a_number_is_left_out(tmp_path: Path) -> None:
    nan = float("nan")
    value = leakage(0.03, 0.02, 0.04, power=nan, threshold=nan)
    value = replace(value, classes={"a": nan, "b": 0.1})
    made = result("a", metrics={"fid": Value(3.0), "identity_leakage": value}, failed={})
    assert "NaN" not in to_json([made], tmp_path).read_text("utf-8")
    assert "nan" not in text_of(page_of([made], tmp_path))


def test_the_csv_holds_what_rows_are_chosen_by(models: list[Result], tmp_path: Path) -> None:
    path = to_csv(models, tmp_path)
    with path.open(encoding="utf-8", newline="") as stream:
        first = next(csv.DictReader(stream))
    assert {*faces_of()} < {*first}
    value = models[0].metrics["identity_leakage"]
    for name in ("excess", "excess_low", "excess_high", "threshold", "power", "not_found"):
        assert float(first[f"identity_leakage_{name}"]) == value.details[name]
    assert float(first["face_rate_none"]) == models[0].metrics["face_rate"].details["none"]
    assert (first["pose_yaw_differs"], first["pose_x_differs"]) == ("True", "False")
    assert first["identity_leakage_classes"].startswith("male:0.041; not male:")
    assert first["faces"] == "faces-dlib" and "identity_leakage_way" not in first


def test_json_holds_all(models: list[Result], tmp_path: Path) -> None:
    [group] = json.loads(to_json(models, tmp_path).read_text("utf-8"))["groups"]
    expected = json.loads(json.dumps(as_record(models[0])["metrics"]))
    assert group["rows"][0]["metrics"] == expected
    assert group["protocol"]["faces"] == "faces-dlib"


def test_short_forms_have_a_second_table_and_name_what_differs(
    models: list[Result], tmp_path: Path
) -> None:
    console = Console(width=120, color_system=None)
    with console.capture() as capture:
        console.print(terminal_table(models))
    words = " ".join(capture.get().split())
    assert "Identity" in words and "0.022 – 0.042" in words and "Share: male ≈" not in words
    assert "Pose and attributes are 13 values more" in words
    assert "leaky: Pose: roll, Pose: yaw, Share: beard, Share: eyeglasses, Share: young" in words
    assert "Pose: roll ↓" not in words
    assert "not measured, for reasons given in the results: share_necktie" in words
    markdown = to_markdown(models, tmp_path).read_text("utf-8")
    tables = re.findall(r"^\| # \| Model .*$", markdown, re.M)
    assert len(tables) == 2 and "Identity leakage ↓" in tables[1] and "Share" not in tables[1]
    latex = to_latex(models, tmp_path).read_text("utf-8")
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 2


def lay_pictures(folder: Path, model: str) -> None:
    """Lay pictures of a colour of its own each: what is on a page can be told by it."""
    place = visuals_folder(folder, model)
    place.mkdir(parents=True)
    (folder / "samples").mkdir(exist_ok=True)
    Image.new("RGB", (36, 36)).save(folder / "samples" / f"{model}.png")
    names = ("nearest", "farthest", "uncovered", "copies", "leaks", "reconstructions", "traversal")
    galleries = {}
    for name in names:
        Image.new("RGB", (128, 128)).save(place / f"{name}.png")
        galleries[name] = Gallery(f"{name}.png", 2, 64, ("seed 1", "seed 2"), (0.9, 0.8))
    write_visuals(Visuals("x", galleries), place)


@pytest.fixture
def pictured(models: list[Result], tmp_path: Path) -> Path:
    for each in models:
        lay_pictures(tmp_path, each.model)
        write_result(each, tmp_path)
    reference = f"reference-{PROTOCOL.dataset_digest[:12]}-holdout"
    Image.new("RGB", (36, 36)).save(tmp_path / "samples" / f"{reference}.png")
    return tmp_path


def test_the_likest_pairs_stand_beside_the_sentences(models: list[Result], pictured: Path) -> None:
    html = page_of(models, pictured)
    before, _, after = html.partition(">Samples<")
    assert before.count("The likest pairs.") == 3 and "The likest pairs." not in after
    assert "0.900" in text_of(before)
    assert html.count("data:image/webp") == 1 + 3 * 8


def test_a_board_without_training_faces_shows_no_real_person(
    models: list[Result], pictured: Path
) -> None:
    html = page_of(models, pictured, training_faces=False)
    page = text_of(html)
    assert html.count("data:image/webp") == 3  # of the model within chance: what copies nobody
    alts = re.findall(r'<img[^>]* alt="([^"]+)"', html)
    assert alts == ["Samples of doubtful", "Least real-looking, doubtful", "Traversals, doubtful"]
    assert "Pictures of real people are left out of this page" in page
    assert "Left out: more of its faces look like someone in the training set" in page
    assert "Left out: these are real photographs, as they are or spoilt." in page
    assert "Of 1,000 faces about 31 (22 to 42)" in page
    assert "were not looked at for training people" not in page


def test_where_nobody_looked_for_copies_the_board_says_so(pictured: Path) -> None:
    unknown = result("leaky", metrics={"fid": Value(3.0)}, failed={})
    page = page_of([unknown], pictured, training_faces=False)
    assert "not looked at for training people: leaky." in text_of(page)
    assert page.count("data:image/webp") == 3


@pytest.mark.parametrize(
    ("value", "withheld"),
    [
        (leakage(0.031, 0.022, 0.042), True),
        (leakage(0.012, 0.006, 0.021), False),
        (Value(0.05, 0.01, 0.03, 0.07, floor=0.01), True),
        (Value(0.02, 0.01, 0.0, 0.04, floor=0.01), False),
        (Value(0.02, floor=0.01), True),
        (Value(0.01, floor=0.01), False),
        (Value(0.01), True),
    ],
)
def test_samples_are_withheld_by_what_is_beyond_chance(
    value: Value, withheld: bool, tmp_path: Path
) -> None:
    lay_pictures(tmp_path, "a")
    made = result("a", metrics={"fid": Value(3.0), "identity_leakage": value}, failed={})
    shown = page_of([made], tmp_path, training_faces=False).count("data:image/webp")
    assert shown == (0 if withheld else 3)


@pytest.mark.parametrize(("high", "withheld"), [(0.01, True), (0.7, False), (None, False)])
def test_samples_are_withheld_that_copy_what_no_face_network_recognises(
    high: float | None, withheld: bool, tmp_path: Path
) -> None:
    lay_pictures(tmp_path, "a")
    metrics = {
        "identity_leakage": leakage(0.0, 0.0, 0.01),
        "authenticity": Value(0.0, low=0.0, high=high, floor=0.65),
    }
    page = page_of([result("a", metrics=metrics, failed={})], tmp_path, training_faces=False)
    assert page.count("data:image/webp") == (0 if withheld else 3)
    assert ("more of its samples lie near a training image" in page) == withheld


def test_the_command_leaves_real_people_out(pictured: Path) -> None:
    answer = CliRunner().invoke(cli, ["report", str(pictured), "--no-training-faces"])
    assert answer.exit_code == 0, answer.output
    html = (pictured / "leaderboard.html").read_text("utf-8")
    assert "Pictures of real people are left out of this page" in html
    assert len(list(pictured.glob("leaderboard.*"))) == 5
    assert CliRunner().invoke(cli, ["report", str(pictured)]).exit_code == 0
    html = (pictured / "leaderboard.html").read_text("utf-8")
    assert "Pictures of real people are left out" not in html


def test_a_plug_in_that_might_show_real_people_is_not_run(
    pictured: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = []

    def theirs(results: Sequence[Result], folder: Path, force: bool = False) -> None:
        runs.append(folder)

    monkeypatch.setattr(
        "facebench.plugins.registry.names",
        lambda kind: ["theirs", "csv"] if kind == "reporters" else [],
    )
    monkeypatch.setattr(
        "facebench.plugins.registry.find", lambda kind, name: theirs if name == "theirs" else to_csv
    )
    write_reports(pictured)
    assert runs == [pictured]
    with pytest.raises(SystemExit, match="1"):
        write_reports(pictured, training_faces=False)
    assert runs == [pictured] and (pictured / "leaderboard.csv").is_file()
    assert "theirs" in (error := capsys.readouterr().err) and "might show real people" in error


def test_a_tracker_gets_no_grid_of_real_people(
    models: list[Result], pictured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []

    class Tracker:
        def __getattr__(self, name: str) -> Any:
            return self

        def __call__(self, *words: Any, **options: Any) -> Any:
            logged.extend(Path(word).stem for word in words if str(word).endswith(".png"))
            return self

    monkeypatch.setitem(sys.modules, "wandb", Tracker())
    loggers.to_wandb(models, pictured)
    assert logged == ["leaky", "doubtful", "copycat"]
    logged.clear()
    loggers.to_wandb(models, pictured, training_faces=False)
    assert logged == ["doubtful"]
