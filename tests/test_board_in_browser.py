import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from facebench.metrics.table import METRICS
from facebench.result import SANITY, Protocol, Result, Value
from facebench_reports import to_html

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs a chromium on the PATH")

HOSTILE = "<script>alert(1)</script>"
LONG = "a-model-" + "whose-name-does-not-end" * 4
GROUPS = tuple(0.31234 + 0.07 * math.sin(i) for i in range(32))
VALUES = {key: Value(0.31234, 0.0123, 0.2873, 0.3374, 0.335, 0.33, GROUPS) for key in METRICS}


def result(model: str, crop: str = "140", adapter: str = "images") -> Result:
    weights = {"inception": "a" * 64}
    digest = "0123456789ab" + "c" * 52
    protocol = Protocol(
        *("faces64", digest, "holdout", crop, 64, "lanczos", "inception"), weights, "float32", 9, 9
    )
    return Result(
        *(model, adapter, "runs/" + "x" * 200, "d" * 64, 0, protocol, VALUES),
        notes=("weights taken on trust",),
        command=f"facebench eval --models {model!r} --out {'y' * 200}",
    )


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    (folder / "samples").mkdir()
    for name in ("dcgan", "reference-0123456789ab-holdout"):
        Image.new("RGB", (384, 384), "teal").save(folder / "samples" / f"{name}.png")
    models = [result(name) for name in ("dcgan", HOSTILE, LONG)]
    check = result("collapsed", adapter=SANITY)
    return to_html([*models, check, result("dcgan", "108")], folder)


@pytest.fixture(scope="module")
def forced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("forced")
    return to_html([result(LONG), result("dcgan", "108" * 30)], folder, force=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any, board: Path) -> Iterator[Any]:
    page = browser.new_page()
    page.complaints = []
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("dialog", lambda dialog: page.complaints.append(dialog.message))
    page.requests = []
    page.on("request", lambda request: page.requests.append(request.url))
    page.goto(board.as_uri())
    yield page
    page.close()


def test_page_is_silent_and_asks_for_nothing(page: Any, board: Path) -> None:
    assert page.complaints == []
    assert [url for url in page.requests if not url.startswith("data:")] == [board.as_uri()]


def test_pictures_are_shown_under_the_security_policy(page: Any) -> None:
    widths = page.eval_on_selector_all("img", "all => all.map(i => i.naturalWidth)")
    assert widths == [384] * 4  # two boards, each with the real images and dcgan


def test_hostile_name_is_text(page: Any) -> None:
    assert page.locator("th.model a").get_by_text(HOSTILE, exact=True).count() == 1
    assert page.locator("script").count() == 0


@pytest.mark.parametrize("width", [360, 768, 1440])
@pytest.mark.parametrize("opened", [False, True])
def test_page_never_overflows_sideways(page: Any, width: int, opened: bool) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.eval_on_selector_all("details", f"all => all.forEach(d => d.open = {str(opened).lower()})")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_printed_page_fits_the_paper_and_opens_what_is_folded(page: Any) -> None:
    page.set_viewport_size({"width": 1009, "height": 680})  # A4 across, less 15 mm margins
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1009
    heights = page.eval_on_selector_all(".made", "all => all.map(e => e.offsetHeight)")
    assert len(heights) == 5 and min(heights) > 100


@pytest.mark.parametrize("width", [360, 1440])
def test_a_forced_board_never_overflows_sideways(page: Any, forced: Path, width: int) -> None:
    page.goto(forced.as_uri())
    page.set_viewport_size({"width": width, "height": 800})
    page.eval_on_selector_all("details", "all => all.forEach(d => d.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_check_is_muted_and_has_no_rank(page: Any) -> None:
    colour = "e => getComputedStyle(e).color"
    row = page.locator("tr.sanity")
    assert row.locator("td.rank").inner_text() == "—"
    of_model = page.locator("tbody tr:not(.sanity) td:not(.rank)").last.evaluate(colour)
    assert row.locator("td").last.evaluate(colour) != of_model


def test_a_model_leads_to_how_its_row_was_made_by_keyboard(page: Any) -> None:
    link = page.locator("th.model a").first
    link.focus()
    page.keyboard.press("Enter")
    page.locator(".made").first.wait_for(state="visible")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_that_wcag_aa_asks(page: Any, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    read = "name => getComputedStyle(document.documentElement).getPropertyValue('--' + name)"
    colours = {
        name: page.evaluate(read, name)
        for name in ("ink", "quiet", "link", "warn", "paper", "panel")
    }
    for ground in ("paper", "panel"):
        for text in ("ink", "quiet", "link", "warn"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two #rrggbb colours (WCAG 2.2)."""
    dark, light = sorted(map(luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    channels = [byte / 255 for byte in bytes.fromhex(colour.strip().removeprefix("#"))]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
