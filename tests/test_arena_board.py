"""The section "People" of a board, after simulated judges."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from arena_judges import lay_board
from PIL import Image

from facebench.arena.pictures import gallery
from facebench.arena.questions import next_question
from facebench.arena.summary import summarize
from facebench.arena.votes import FILE, VoteBook
from facebench.results.judgement import Judged, arena_folder, is_of_these_pictures, read_judgement
from facebench.results.result import read_results
from facebench_reports import to_html

HOSTILE = "<b>bold"
LONG = "a-model-" + "whose-name-does-not-end" * 4
MODELS = {"a": 0.0, "b": 0.5, "c": 1.0, "d": 2.0, LONG: 3.0, HOSTILE: 4.0}


def judge_all(board: Path, judges: int = 12, each: int = 42) -> None:
    """Let simulated judges prefer the models by name, most of the time."""
    shown, rng = gallery(board, read_results(board)), Random(0)
    order = [*MODELS]
    with VoteBook(arena_folder(board) / FILE) as book:
        for number in range(judges):
            for _ in range(each):
                question = next_question(book, shown, f"simulated {number}", rng)
                if question.second is None:
                    answer = rng.choice(["real", "generated"])
                elif question.kind == "check":
                    answer = "left" if question.first.name == "/real" else "right"
                else:
                    left, right = (order.index(s.name) for s in (question.first, question.second))
                    answer = "left" if (left < right) == (rng.random() < 0.8) else "right"
                book.vote(question.token, answer, 1)
    summarize(board)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    board = lay_board(tmp_path_factory.mktemp("judged") / "board", MODELS)
    judge_all(board)
    return board


def test_strengths_error_rates_and_agreement_stand_on_the_page(judged: Path) -> None:
    found = read_judgement(judged)
    assert found and found.models[0].model == "a"
    assert found.judges == 12 and found.checks == found.failed + 24 == 24
    html = to_html(read_results(judged), judged).read_text("utf-8")
    section = html[html.index(">People</h3>") : html.index("Two models compared</h3>")]
    assert section.index(">a</th>") < section.index("&lt;b&gt;bold</th>")
    strength = found.models[0].strength
    assert strength and f"{strength.value:.2f}" in section
    assert "240 pairs and 240 single pictures were judged by 12 judges" in section
    assert "s tau</th>" in section and "drawn at random from many" in section
    assert "simulated" not in html  # no judge is named


def test_a_board_that_nobody_judged_has_no_such_section(tmp_path: Path) -> None:
    board = lay_board(tmp_path / "board", {"a": 0.0, "b": 1.0})
    assert ">People</h3>" not in to_html(read_results(board), board).read_text("utf-8")
    arena_folder(board).mkdir()
    (arena_folder(board) / "summary.json").write_text('{"format": "facebench-arena/1"}')
    assert ">People</h3>" not in to_html(read_results(board), board).read_text("utf-8")


def test_what_was_said_of_other_pictures_is_left_out(judged: Path, tmp_path: Path) -> None:
    board = tmp_path / "board"
    shutil.copytree(judged, board)
    Image.new("RGB", (384, 384), "teal").save(board / "samples" / "b.png")
    html = to_html(read_results(board), board).read_text("utf-8")
    assert "Other pictures of b were judged" in html
    found = read_judgement(board)
    assert found
    assert not is_of_these_pictures(by_name(found.models)["b"], board)
    assert is_of_these_pictures(by_name(found.models)["a"], board)
    summarize(board)
    again = read_judgement(board)
    assert again and again.outdated > 0 and by_name(again.models)["b"].strength is None


@pytest.mark.processes
def test_the_summary_loads_no_framework(judged: Path) -> None:
    code = (
        "import sys; from facebench.cli import cli;"
        f"cli(['arena', {str(judged)!r}, '--summary'], standalone_mode=False);"
        "print(*sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    loaded = {*answer.stdout.decode().split()}
    assert "facebench.arena.davidson" in loaded
    assert not loaded & {"torch", "tensorflow", "keras", "sklearn", "pandas", "scipy.stats"}


def by_name(models: tuple[Judged, ...]) -> dict[str, Judged]:
    return {each.model: each for each in models}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("needs a chromium on the PATH")
    with sync_api.sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield browser
        browser.close()


@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (400, "dark"), (1280, "light")])
def test_people_never_overflow_sideways_and_are_read_by_all(
    browser: Any, judged: Path, width: int, scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.goto(to_html(read_results(judged), judged).as_uri())
    page.eval_on_selector_all("details", "all => all.forEach(d => d.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("table.people .bar").count() == 6 * 3 + 2 * 2
    violations = [
        (each["id"], each["nodes"][0]["html"])
        for each in axe.run(page).response["violations"]
        if each["impact"] in ("serious", "critical")
    ]
    assert violations == []
    page.close()
