import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from arena_judges import lay_board

from facebench.arena.pictures import gallery
from facebench.arena.server import ArenaServer
from facebench.arena.votes import FILE, VoteBook
from facebench.results.judgement import arena_folder
from facebench.results.result import read_results

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs a chromium on the PATH"),
]
MODELS = {"velvet": 0.0, "granite": 1.5, "willow": 2.5}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


class Arena:
    """A board, and a server that can be stopped and started again at the same port."""

    def __init__(self, board: Path):
        self.board, self.port = board, 0
        self.start()

    def start(self) -> None:
        self.book = VoteBook(arena_folder(self.board) / FILE)
        shown = gallery(self.board, read_results(self.board))
        self.server = ArenaServer(self.board, shown, self.book, "127.0.0.1", self.port, None)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
        self.book.close()


@pytest.fixture
def arena(tmp_path: Path) -> Iterator[Arena]:
    arena = Arena(lay_board(tmp_path / "board", MODELS))
    yield arena
    arena.stop()


@pytest.fixture
def page(browser: Any, arena: Arena) -> Iterator[Any]:
    context = browser.new_context()
    page = context.new_page()
    page.complaints = []
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.goto(arena.server.url)
    shown(page)
    yield page
    context.close()


def shown(page: Any) -> None:
    """Wait till the pictures can be seen."""
    page.locator("#pictures:not(.waiting) img").first.wait_for(state="visible")
    sync_api.expect(page.locator("#answers button").first).to_have_attribute(
        "aria-disabled", "false"
    )


def answered(page: Any, count: int) -> None:
    sync_api.expect(page.locator("#said")).to_have_text(f"Answered so far: {count}")


def answers(arena: Arena) -> list[str]:
    return [vote.answer for vote in arena.book.votes()]


def test_a_whole_round_by_keyboard_alone(page: Any, arena: Arena) -> None:
    keys = ("ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown")
    for number in range(21):
        is_pair = page.locator("#pictures img").count() == 2
        page.keyboard.press(keys[number % (4 if is_pair else 2)])
        answered(page, number + 1)
    kept = {v.question.token: v for v in arena.book.votes()}
    kinds = [v.question.kind for v in kept.values()]
    assert (kinds.count("pair"), kinds.count("check"), kinds.count("single")) == (10, 1, 10)
    given = [v.answer for v in kept.values()]
    assert {each: given.count(each) for each in ("left", "right", "tie", "skip")} == {
        **{"left": 3, "right": 3},
        **{"tie": 3, "skip": 2},
    }
    assert given.count("real") == given.count("generated") == 5
    assert page.complaints == []


def test_buttons_are_reached_by_tab_and_pressed_by_enter_and_space(page: Any, arena: Arena) -> None:
    focused = "document.activeElement.textContent"
    page.keyboard.press("Tab")
    assert page.evaluate(focused).startswith("Left")
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(outline) == "solid"
    page.keyboard.press("Enter")
    answered(page, 1)
    assert page.evaluate(focused).startswith("Left")  # where it was, for the next question
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    answered(page, 2)
    assert sorted(answers(arena)) == ["left", "right"]


def test_a_picture_is_touched_and_a_key_that_repeats_votes_once(browser: Any, arena: Arena) -> None:
    context = browser.new_context(viewport={"width": 400, "height": 800}, has_touch=True)
    page = context.new_page()
    page.goto(arena.server.url)
    shown(page)
    page.locator("#pictures .picture").nth(1).tap()
    answered(page, 1)
    page.keyboard.down("ArrowLeft")
    page.keyboard.down("ArrowLeft")  # as a key that is held
    answered(page, 2)
    page.keyboard.up("ArrowLeft")
    page.keyboard.press("Control+ArrowLeft")
    assert sorted(answers(arena)) == ["left", "right"]
    context.close()


@pytest.mark.parametrize(("width", "scheme"), [(400, "dark"), (1280, "light")])
def test_all_can_read_and_press_it_and_nothing_overflows(
    page: Any, width: int, scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    for number in range(12):  # from pairs to singles
        if number in (0, 11):
            violations = axe.run(page).response["violations"]
            assert [(each["id"], each["nodes"][0]["html"]) for each in violations] == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            sizes = page.locator("#answers button").evaluate_all(
                "all => all.map(b => Math.min(b.offsetWidth, b.offsetHeight))"
            )
            assert min(sizes) >= 44  # for fingers
        if number < 11:
            page.keyboard.press("ArrowLeft")
            answered(page, number + 1)
    assert page.locator("#pictures img").count() == 1


def test_pictures_of_a_pair_are_equally_large_and_say_nothing(page: Any) -> None:
    images = page.locator("#pictures img")
    boxes = [images.nth(i).bounding_box() for i in range(2)]
    assert boxes[0]["width"] == boxes[1]["width"] > 200
    assert boxes[0]["y"] == boxes[1]["y"]
    source = page.content().lower()
    for secret in (*MODELS, "reference", "/real", "noise", "check"):
        assert secret not in source, secret
    alts = images.evaluate_all("all => all.map(i => i.alt)")
    assert alts == ["Left picture", "Right picture"]


def test_a_server_that_stops_and_comes_back_gets_the_vote(page: Any, arena: Arena) -> None:
    page.keyboard.press("ArrowLeft")
    answered(page, 1)
    arena.stop()
    page.keyboard.press("ArrowRight")
    sync_api.expect(page.locator("#said")).to_contain_text("does not answer")
    arena.start()
    answered(page, 2)
    assert sorted(answers(arena)) == ["left", "right"]


def test_a_page_that_is_closed_goes_on_with_the_same_question(page: Any) -> None:
    page.keyboard.press("ArrowLeft")
    answered(page, 1)
    before = page.locator("#pictures img").first.get_attribute("src")
    page.reload()
    answered(page, 1)
    assert page.locator("#pictures img").first.get_attribute("src") == before
