import json
import math
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import face_results
import pytest
from click.testing import CliRunner
from PIL import Image

from facebench.cli import cli
from facebench.metrics.table import METRICS
from facebench.results.result import SANITY, Protocol, Result, Value, write_result
from facebench.results.visuals import Gallery, Plane, Visuals, visuals_folder, write_visuals
from facebench_reports import to_html
from facebench_reports.metric_columns import Column
from facebench_reports.theme import LIGHT

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs a chromium on the PATH"),
]

SCORED = {key: row for key, row in METRICS.items() if not row.is_of_pairs}
"""What a generator's board can hold at most."""
OF_IMAGES = [row for key, row in SCORED.items() if not Column(key).is_of_faces]
HOSTILE = "<script>alert(1)</script>"
LONG = "a-model-" + "whose-name-does-not-end" * 4
MARKED = """b "quoted" & <i>"""
QUOTES = """it's "quoted" & <b>bold</b>"""


def value(level: float) -> Value:
    groups = tuple(level + 0.07 * math.sin(i * (1 + level)) for i in range(32))
    curve = tuple((count, level + 10 / count) for count in range(20, 9, -1))
    return Value(level, 0.0123, level - 0.025, level + 0.025, 0.335, 0.33, groups, curve)


def result(
    model: str, crop: str = "140", adapter: str = "images", level: float = 0.31234
) -> Result:
    weights = {"inception": "a" * 64}
    digest = "0123456789ab" + "c" * 52
    protocol = Protocol(
        *("faces64", digest, "holdout", crop, 64, "lanczos", "inception"), weights, "float32", 9, 9
    )
    metrics = {key: value(level + 0.01 * i) for i, key in enumerate(SCORED)}
    return Result(
        *(model, adapter, f"runs/{QUOTES}" + "x" * 200, "d" * 64, 0, protocol, metrics),
        notes=("weights taken on trust",),
        seconds={"images and features": 12.5, "metrics": 1.25},
        memory={"images and features": 812.0},
        command=f"facebench eval --models {model!r} --out {'y' * 200}",
    )


def lay_visuals(folder: Path, model: str) -> None:
    """Lay beside the results what an evaluation leaves of a model to look at."""
    place = visuals_folder(folder, model)
    place.mkdir(parents=True)
    Image.new("RGB", (512, 64), "teal").save(place / "nearest.png")
    Image.new("RGB", (256, 128), "olive").save(place / "copies.png")
    galleries = {
        "nearest": Gallery(
            "nearest.png", 8, 64, tuple(map("seed {}".format, range(8))), (0.5,) * 8
        ),
        "copies": Gallery("copies.png", 4, 64, ("seed 3", "seed 7"), (0.1, 0.25)),
    }
    points = tuple((math.sin(i), math.cos(2 * i)) for i in range(30))
    curves: dict[str, tuple[tuple[float, float], ...]] = {"loss": ((0.0, 2.0), (10.0, 1.0))}
    write_visuals(Visuals("x", galleries, Plane((0.5, 0.2), points, points[::-1]), curves), place)


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    (folder / "samples").mkdir()
    for name in ("dcgan", "reference-0123456789ab-holdout"):
        Image.new("RGB", (384, 384), "teal").save(folder / "samples" / f"{name}.png")
    lay_visuals(folder, "dcgan")
    models = [
        result("dcgan", level=0.9),
        result(HOSTILE, adapter="python", level=0.2),
        result(LONG, level=0.31),
    ]
    partial = replace(models[0], model="partial", metrics={"recall": value(-0.5)})
    check = result("collapsed", adapter=SANITY)
    everything = [*models, partial, check, result("dcgan", "108")]
    for each in (models[0], models[2]):
        write_result(each, folder)
    return to_html(everything, folder)


@pytest.fixture(scope="module")
def forced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("forced")
    return to_html([result(LONG), result("dcgan", "108" * 30)], folder, force=True)


@pytest.fixture(scope="module")
def of_pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A board of image to image: sources of 16 pixels, answers and targets of 64."""
    folder = tmp_path_factory.mktemp("pairs")
    reference = "reference-0123456789ab-holdout"
    (folder / "samples").mkdir()
    for side, width in (("sources", 16), ("targets", 64)):
        picture = Image.effect_noise((width, 8 * width), 80).convert("RGB")
        picture.save(folder / "samples" / f"{reference}-{side}.png")
    results = []
    for model in (LONG, MARKED, "up"):
        held = result(model)
        protocol = replace(held.protocol, pairs="super-resolution, 1 answer a source")
        results.append(replace(held, protocol=protocol))
        place = visuals_folder(folder, model)
        place.mkdir(parents=True)
        Image.new("RGB", (64, 512), "teal").save(place / "answers.png")
        answers = {"answers": Gallery("answers.png", 1, 64, tuple("abcdefgh"))}
        write_visuals(Visuals("x", answers), place)
    return to_html(results, folder)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A board with all there is of faces, and one model whose name does not end."""
    folder = tmp_path_factory.mktemp("faces")
    place = visuals_folder(folder, "vae")
    place.mkdir(parents=True)
    Image.new("RGB", (128, 128), "teal").save(place / "leaks.png")
    leaks = {"leaks": Gallery("leaks.png", 2, 64, ("seed 3", "seed 7"), (0.9, 0.8))}
    write_visuals(Visuals("x", leaks), place)
    names = {"vae": "images", LONG: "images", HOSTILE: "images", "copycat": SANITY}
    models = [face_results.result(name, k, kind) for k, (name, kind) in enumerate(names.items())]
    with pytest.MonkeyPatch.context() as monkeypatch:
        face_results.with_rows(monkeypatch)
        yield to_html(models, folder)


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
    widths = page.eval_on_selector_all("main img", "all => all.map(i => i.naturalWidth)")
    # two boards, each with the real images, dcgan and its two galleries
    assert sorted(widths) == [256] * 2 + [384] * 4 + [512] * 2


def test_hostile_name_is_text(page: Any) -> None:
    assert page.locator("th.model a").get_by_text(HOSTILE, exact=True).count() == 1
    scripts = page.eval_on_selector_all("script:not([type])", "all => all.map(s => s.textContent)")
    assert len(scripts) == 2 and not any("alert(1)" in script for script in scripts)
    assert page.locator("dd", has_text=f"runs/{QUOTES}").count() == 6
    assert page.locator("dd b").count() == 0


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
    assert len(heights) == 6 and min(heights) > 100


@pytest.mark.parametrize("width", [360, 1440])
def test_a_forced_board_never_overflows_sideways(page: Any, forced: Path, width: int) -> None:
    page.goto(forced.as_uri())
    page.set_viewport_size({"width": width, "height": 800})
    page.eval_on_selector_all("details", "all => all.forEach(d => d.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (768, "dark"), (1440, "light")])
def test_faces_never_overflow_sideways_and_are_read_by_all(
    page: Any, faces: Path, width: int, scheme: str
) -> None:
    page.goto(faces.as_uri())
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    assert page.locator(".strip").first.locator("img").evaluate("i => i.naturalWidth") == 128
    page.eval_on_selector_all("details", "all => all.forEach(d => d.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert serious_violations(page) == [] and page.complaints == []


def test_the_table_of_faces_sorts_for_itself(page: Any, faces: Path) -> None:
    page.goto(faces.as_uri())
    table = page.locator("table.scores:not(.ranked)")
    table.locator(".sort", has_text="Identity leakage").click()
    rows = table.locator("tbody.rows:not(.sanity-rows) tr")
    names = rows.evaluate_all("all => all.map(row => row.dataset.model)")
    assert names == [HOSTILE, LONG, "vae"]
    ranked = page.locator("table.ranked tbody.rows:not(.sanity-rows) tr")
    assert ranked.first.get_attribute("data-model") == "vae"


@pytest.mark.parametrize("width", [400, 1280])
def test_source_answers_and_truth_stand_side_by_side(page: Any, of_pairs: Path, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(of_pairs.as_uri())
    overflow = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not page.evaluate(overflow)
    headings = page.locator(".examples th").all_inner_texts()
    assert headings == ["Source", LONG, MARKED, "up", "Truth"]
    pictures = page.locator(".examples img")
    sizes = pictures.evaluate_all(
        "all => all.map(i => [i.naturalWidth, i.clientWidth, i.clientHeight, i.alt,"
        " getComputedStyle(i).imageRendering])"
    )
    assert [each[0] for each in sizes] == [16, 64, 64, 64, 64]
    assert {tuple(each[1:3]) for each in sizes} == {(128, 1024)}  # 16 pixels as large as 64
    assert {each[4] for each in sizes} == {"pixelated"}
    assert sizes[3][3] == "Answers of up to these sources, from above: a, b, c, d, e, f, g, h"
    assert page.title() == "Image-to-image leaderboard"


def test_a_check_is_muted_and_has_no_rank(page: Any) -> None:
    colour = "e => getComputedStyle(e).color"
    row = page.locator("tr.sanity").first
    assert row.locator("td.rank").inner_text() == "—"
    of_model = page.locator("tbody tr:not(.sanity) td:not(.rank)").last.evaluate(colour)
    assert row.locator("td").last.evaluate(colour) != of_model


def test_a_model_leads_to_how_its_row_was_made_by_keyboard(page: Any) -> None:
    link = page.locator("th.model a").first
    link.focus()
    page.keyboard.press("Enter")
    page.locator(".made").first.wait_for(state="visible")


def numbers(page: Any, index: int) -> list[Any]:
    """Return the numbers in full of one column of the first table, top to bottom."""
    cells = page.locator("table.scores").first.locator(
        f"tbody.rows:not(.sanity-rows) tr > *:nth-child({index + 1})"
    )
    texts = cells.evaluate_all("all => all.map(cell => cell.dataset.value)")
    return texts if index == 1 else [float(text) if text else None for text in texts]


def test_every_column_sorts_by_its_numbers_best_first_and_then_the_other_way(page: Any) -> None:
    headings = page.locator("table.scores").first.locator("thead th")
    assert headings.count() == 2 + len(OF_IMAGES)
    for index in range(headings.count()):
        heading = headings.nth(index)
        higher_first = heading.get_attribute("data-better") == "higher"
        page.evaluate(
            "document.querySelectorAll('[aria-sort]').forEach(e => e.removeAttribute('aria-sort'))"
        )
        for descending in (higher_first, not higher_first):
            heading.locator(".sort").focus()
            page.keyboard.press("Enter")
            found = [number for number in numbers(page, index) if number is not None]
            assert found == sorted(found, reverse=descending)
            assert len(found) > 2
            missing = [number is None for number in numbers(page, index)]
            assert missing == sorted(missing)  # last either way
            direction = "descending" if descending else "ascending"
            assert heading.get_attribute("aria-sort") == direction


def test_rows_are_filtered_by_name_adapter_and_kind(page: Any) -> None:
    first = page.locator("section.board").first

    def seen(table: str = "ranked") -> list[str]:
        rows = first.locator(f"table.scores{'.ranked' if table == 'ranked' else ':not(.ranked)'}")
        visible = rows.locator("tr[data-model]").evaluate_all(
            "all => all.filter(r => r.checkVisibility()).map(r => r.dataset.model)"
        )
        return sorted(visible)

    assert seen() == sorted([HOSTILE, LONG, "collapsed", "dcgan", "partial"])
    first.locator(".find").fill("SCRIPT")
    assert seen() == seen("of faces") == [HOSTILE]
    assert first.locator(".count").inner_text() == "1 of 5 rows"
    first.locator(".find").fill("")
    first.locator(".checks").uncheck()
    assert "collapsed" not in seen()
    assert not first.locator("tr.heading").is_visible()
    first.locator("select.adapter").select_option("python")
    assert seen() == [HOSTILE]


def test_a_pair_shows_the_figures_that_the_command_prints_as_json(page: Any, board: Path) -> None:
    compare = page.locator(".compare").first
    words = ["compare", LONG, "dcgan", "--results", str(board.parent), "--json"]
    found = json.loads(CliRunner().invoke(cli, words).output)["metrics"]
    compare.locator("select.first").select_option(label=LONG)
    compare.locator("select.second").select_option(label="dcgan")
    lines = compare.locator("tbody tr").all()
    assert len(lines) == len(found) == len(SCORED)
    for line, expected in zip(lines, found.values(), strict=True):
        cells = [cell.replace("−", "-") for cell in line.locator("th, td").all_inner_texts()]
        metric, first, second, difference, interval, p, verdict = cells
        assert metric.startswith(expected["title"])
        assert float(first) == pytest.approx(expected["first"], rel=1e-3)
        assert float(second) == pytest.approx(expected["second"], rel=1e-3)
        low, high = map(float, interval.split(" to "))
        width = expected["high"] - expected["low"]
        assert float(difference) == pytest.approx(expected["difference"], abs=width / 10)
        assert (low, high) == pytest.approx((expected["low"], expected["high"]), abs=width / 10)
        assert (p == "< 0.001") == (expected["p"] < 0.001)
        winner = {"first": LONG, "second": "dcgan"}.get(expected["verdict"])
        assert verdict == (f"{winner} is better" if winner else "no difference can be told")


def test_a_pair_the_other_way_round_is_its_mirror(page: Any) -> None:
    compare = page.locator(".compare").first

    def shown(first: str, second: str) -> list[str]:
        compare.locator("select.first").select_option(label=first)
        compare.locator("select.second").select_option(label=second)
        texts: list[str] = compare.locator("tbody tr").first.locator("td").all_inner_texts()
        return texts

    one, other = shown(LONG, "dcgan"), shown("dcgan", LONG)
    assert one[:2] == other[1::-1] and one[4:] == other[4:]
    assert {one[2], other[2]} == {one[2].removeprefix("−"), "−" + one[2].removeprefix("−")}
    assert shown("dcgan", "dcgan") == ["Choose two different models."]


def test_a_picture_is_enlarged_and_put_away_by_keyboard(page: Any) -> None:
    page.locator("button.enlarge").first.focus()
    page.keyboard.press("Enter")
    dialog = page.locator("dialog.lightbox")
    assert dialog.is_visible() and dialog.locator("img").evaluate("i => i.naturalWidth") == 384
    assert dialog.locator("img").evaluate("i => i.width") >= 384
    page.keyboard.press("Escape")
    assert not dialog.is_visible()


@pytest.mark.parametrize("width", [360, 1440])
def test_a_heading_has_its_card_within_the_window(page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    for index in (0, len(OF_IMAGES) - 1):
        page.locator("button.explain").nth(index).focus()
        page.keyboard.press("Enter")
        card = page.locator(".card:popover-open")
        assert OF_IMAGES[index].card in card.inner_text()
        box = card.bounding_box()
        assert 0 <= box["x"] and box["x"] + box["width"] <= width
        assert 0 <= box["y"] and box["y"] + box["height"] <= 800
        page.keyboard.press("Escape")


def draw_all(page: Any) -> None:
    page.evaluate("document.querySelectorAll('.canvas').forEach(draw)")
    page.wait_for_function(
        "[...document.querySelectorAll('.canvas')].every(c => c.querySelector('svg'))"
    )


def test_every_plot_is_drawn_in_the_colours_of_the_page(page: Any) -> None:
    draw_all(page)
    figures = page.locator("section.board").first.locator("figure.plot")
    keys = figures.evaluate_all("all => all.map(figure => figure.dataset.figure)")
    assert keys == ["metrics", "planes", "extrapolation", "features", "training", "cost"]
    for figure in figures.all():
        assert figure.locator("svg path").count() > 5
    fill = "() => getComputedStyle(document.querySelector('.planes svg [fill^=var]')).fill"
    light = page.evaluate(fill)
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(fill) != light


def test_plots_are_ordered_by_the_metric_that_is_chosen(page: Any) -> None:
    draw_all(page)
    figure = page.locator("figure.plot[data-figure=metrics]").first
    figure.locator("select.order").select_option("recall")
    labels = figure.locator(".canvas").first.locator("svg text")
    page.wait_for_timeout(300)
    names = [text for text in labels.all_text_contents() if text.startswith(("dcgan", "<scr"))]
    assert names == ["dcgan", HOSTILE]  # the other way round than by FID


@pytest.mark.parametrize(("scheme", "width"), [("light", 360), ("dark", 1440)])
def test_axe_finds_no_serious_violation(page: Any, scheme: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    page.eval_on_selector_all("details", "all => all.forEach(d => d.open = true)")
    draw_all(page)
    assert serious_violations(page) == []


def serious_violations(page: Any) -> list[tuple[str, list[str]]]:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    return [
        (each["id"], [node["html"][:200] for node in each["nodes"]][:3])
        for each in axe.run(page).response["violations"]
        if each["impact"] in ("serious", "critical")
    ]


def test_nothing_moves_while_the_page_opens(browser: Any, board: Path) -> None:
    page = browser.new_page()
    page.add_init_script(
        "window.shift = 0; new PerformanceObserver(list => list.getEntries().forEach("
        "e => { window.shift += e.value; })).observe({type: 'layout-shift', buffered: true});"
    )
    page.goto(board.as_uri())
    draw_all(page)
    assert page.evaluate("window.shift") < 0.01
    page.close()


def test_a_board_of_two_hundred_rows_can_be_used(browser: Any, tmp_path: Path) -> None:
    many = [result(f"model-{i:03}", level=0.3 + 0.01 * i) for i in range(200)]
    page = browser.new_page(viewport={"width": 768, "height": 800})
    page.goto(to_html(many, tmp_path).as_uri())
    page.locator(".find").fill("model-19")
    assert page.locator("table.ranked tr[data-model]:visible").count() == 10
    draw_all(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 768
    page.close()


def test_files_have_the_light_colours_of_the_page(page: Any) -> None:
    page.emulate_media(color_scheme="light")
    read = "name => getComputedStyle(document.documentElement).getPropertyValue('--' + name)"
    assert {name: page.evaluate(read, name) for name in LIGHT} == LIGHT


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
    for number in range(1, 8):  # what is no text needs 3
        assert contrast(page.evaluate(read, f"c{number}"), colours["paper"]) >= 3


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two #rrggbb colours (WCAG 2.2)."""
    dark, light = sorted(map(luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    channels = [byte / 255 for byte in bytes.fromhex(colour.strip().removeprefix("#"))]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
