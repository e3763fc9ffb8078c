"""Many boards as one folder: made whole, looked at in a browser from a plain web server."""

import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from bundles import PROTOCOL, value
from click.testing import CliRunner
from PIL import Image

from facebench.bundles.bundle import read_bundle
from facebench.cli import cli
from facebench.errors import BadInput
from facebench.results.result import Protocol, Result, write_result
from facebench_reports.site import write_site

HOSTILE = "<script>alert(1)</script>"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def result(model: str, level: float, protocol: Protocol = PROTOCOL) -> Result:
    seed = round(level)
    metrics = {"fid": value(level, 0.1, seed, floor=0.5), "precision": value(0.4, 0.02, seed)}
    made = Result(model, "images", f"runs/{model}", "cd" * 32, 0, protocol, metrics)
    return replace(made, created="2026-01-02T03:04:05+00:00", command="facebench eval")


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Three boards: of several models, of one, and one that has a name to be quoted."""
    places = [tmp_path / "boards" / name for name in ("celeba64", "ffhq 256", "art#1")]
    for i, place in enumerate(places):
        for k, model in enumerate(
            ("dcgan", "vae", "pca", "flow", "gan", "ema", "old")[: 7 - 3 * i]
        ):
            write_result(result(model, 10.0 + k + i), place)
        (place / "samples").mkdir()
        Image.new("RGB", (96, 96), "teal").save(place / "samples" / "dcgan.png")
    return places


def files(out: Path) -> set[str]:
    return {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}


def test_a_site_has_an_index_and_a_folder_per_board(folders: list[Path], tmp_path: Path) -> None:
    before = {folder: files(folder) for folder in folders}
    index = write_site(folders, tmp_path / "public", title="Faces")
    forms = {f"leaderboard.{suffix}" for suffix in ("html", "csv", "json", "bib")}
    boards = {f"{folder.name}/{form}" for folder in folders for form in forms}
    assert files(tmp_path / "public") == {"index.html", "README.md", "site.json", *boards}
    assert {folder: files(folder) for folder in folders} == before  # users' boards stay as they are
    text = index.read_text("utf-8")
    assert "<title>Faces</title>" in text and "3 boards." in text
    assert 'href="ffhq%20256/leaderboard.html"' in text and 'href="art%231/' in text
    assert "2 more models on" in text and "last row of 2026-01-02" in text
    page = (tmp_path / "public" / "celeba64" / "leaderboard.html").read_text("utf-8")
    assert "data:image/" in page  # with its pictures


def test_ranks_of_models_on_several_boards_stand_side_by_side(
    folders: list[Path], tmp_path: Path
) -> None:
    text = write_site(folders, tmp_path / "public").read_text("utf-8")
    table = text.partition('id="models"')[2]
    rows = [row.split("<td>")[1:] for row in table.split("<tr>")[2:]]
    ranks = [[cell.partition("<")[0] for cell in row] for row in rows]
    assert ranks == [["1", "1", "1"], ["4", "4", "—"], ["3", "3", "—"], ["2", "2", "—"]]


def test_a_static_space_finds_its_index(folders: list[Path], tmp_path: Path) -> None:
    write_site(folders, tmp_path / "public", title='My "faces"')
    card = (tmp_path / "public" / "README.md").read_text("utf-8")
    assert card.startswith('---\ntitle: "My \\"faces\\""\nsdk: static\napp_file: index.html\n---\n')


def test_names_are_text(tmp_path: Path) -> None:
    write_result(result("ok", 1.0), tmp_path / HOSTILE.replace("/", ""))
    text = write_site([tmp_path / HOSTILE.replace("/", "")], tmp_path / "public", title=HOSTILE)
    assert "<script" not in text.read_text("utf-8")


def test_a_site_is_replaced_as_a_whole(folders: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "public"
    write_site(folders, out)
    write_site(folders[:1], out)
    assert {path.partition("/")[0] for path in files(out)} == {
        *("index.html", "README.md", "site.json", "celeba64")
    }


def test_a_site_that_cannot_be_made_leaves_the_one_before(
    folders: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "public"
    write_site(folders, out)
    before = {path: (out / path).read_bytes() for path in files(out)}
    (folders[2] / "dcgan.json").write_text("{", "utf-8")
    with pytest.raises(BadInput, match=r"dcgan.json is not readable as JSON"):
        write_site(folders, out)
    (folders[2] / "dcgan.json").unlink()
    write_result(result("vae", 3.0), folders[2])

    def broken(self: Path, target: Path) -> Path:
        if target == out and self.name == "site":
            raise OSError("no such luck")
        return rename(self, target)

    rename = Path.rename
    monkeypatch.setattr(Path, "rename", broken)
    with pytest.raises(OSError, match="no such luck"):
        write_site(folders, out)
    assert {path: (out / path).read_bytes() for path in files(out)} == before
    assert {each.name for each in tmp_path.iterdir()} == {"boards", "public"}  # nothing is left


def test_nothing_but_a_site_is_replaced(folders: list[Path], tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("precious")
    for out, said in (
        (mine, "is there and no site of facebench: name another folder"),
        (folders[0], "holds a board that is to be shown"),
        (tmp_path, "holds a board that is to be shown"),
    ):
        with pytest.raises(BadInput, match=said):
            write_site(folders, out)
    assert (mine / "thesis.txt").read_text() == "precious"
    (mine / "site.json").write_text("[]")
    with pytest.raises(BadInput, match="no site of facebench"):
        write_site(folders, mine)


def test_two_boards_of_one_name_are_refused(folders: list[Path], tmp_path: Path) -> None:
    other = tmp_path / "others" / "celeba64"
    write_result(result("dcgan", 1.0), other)
    with pytest.raises(BadInput, match="several folders called celeba64"):
        write_site([*folders, other], tmp_path / "public")
    with pytest.raises(BadInput, match="There is no board to show"):
        write_site([], tmp_path / "public")


def test_pictures_of_real_people_stay_at_home(tmp_path: Path) -> None:
    board = tmp_path / "board"
    write_result(result("dcgan", 1.0), board)
    (board / "samples").mkdir()
    for name, colour in (("dcgan", "teal"), ("reference-abababababab-holdout", "red")):
        Image.new("RGB", (96, 96), colour).save(board / "samples" / f"{name}.png")
    words = ["site", str(board), "--out", str(tmp_path / "public")]
    page = tmp_path / "public" / "board" / "leaderboard.html"
    sizes = []
    for more in ([], ["--no-training-faces"]):
        answer = CliRunner().invoke(cli, [*words, *more])
        assert answer.output.strip() == str(tmp_path / "public" / "index.html")
        sizes.append(page.read_text("utf-8").count("data:image/"))
    assert sizes[1] == sizes[0] - 1


def test_rows_and_frozen_versions_can_be_taken_from_it(folders: list[Path], tmp_path: Path) -> None:
    board, out = folders[0], tmp_path / "public"
    for words in (["report", str(board)], ["freeze", str(board), "v1"]):
        assert CliRunner().invoke(cli, words).exit_code == 0
    assert CliRunner().invoke(cli, ["site", *map(str, folders), "--out", str(out)]).exit_code == 0
    bundle = read_bundle(out / "celeba64" / "celeba64.facebench.zip")
    assert len(bundle.results) == 7 and bundle.pictures.keys() == {"dcgan"}
    frozen = (out / "celeba64" / "versions" / "v1.json").read_bytes()
    assert frozen == (board / "versions" / "v1.json").read_bytes()
    text = (out / "index.html").read_text("utf-8")
    assert '<a href="celeba64/versions/v1.json">frozen v1</a>' in text
    assert "Frozen versions" in (out / "celeba64" / "leaderboard.html").read_text("utf-8")
    assert (out / "art#1" / "art#1.facebench.zip").is_file() and 'href="art%231/art%231.fac' in text


def test_a_board_without_a_bundle_is_shown_all_the_same(tmp_path: Path) -> None:
    row = result("dcgan", 1.0)
    edited = {"fid": replace(row.metrics["fid"], error=99.0)}
    write_result(replace(row, metrics=edited), tmp_path / "board")
    answer = CliRunner().invoke(
        cli, ["site", str(tmp_path / "board"), "--out", str(tmp_path / "s")]
    )
    assert answer.exit_code == 0 and "is shown without a bundle" in answer.stderr
    assert (tmp_path / "s" / "board" / "leaderboard.html").is_file()


def test_more_may_be_had_of_a_board(folders: list[Path], tmp_path: Path) -> None:
    def more(results: Path, target: Path) -> dict[str, str]:
        (target / "rows.zip").write_text(results.name)
        return {"rows.zip": "Rows"}

    index = write_site(folders[:1], tmp_path / "public", more=more)
    assert (tmp_path / "public" / "celeba64" / "rows.zip").read_text() == "celeba64"
    assert '<a href="celeba64/rows.zip">Rows</a>' in index.read_text("utf-8")


@pytest.fixture
def address(folders: list[Path], tmp_path: Path) -> Iterator[str]:
    """Where Python's own web server has the site, as any other would."""
    write_site(folders, tmp_path / "public")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "public"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.long
@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="needs a chromium on the PATH")
@pytest.mark.parametrize(("scheme", "width"), [("light", 400), ("dark", 1280)])
def test_a_browser_goes_from_the_index_to_a_board(address: str, scheme: str, width: int) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    with sync_api.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page: Any = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        wrong = list[str]()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("requestfailed", lambda request: wrong.append(request.url))
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert not [
            each["id"]
            for each in axe.run(page).response["violations"]
            if each["impact"] in ("serious", "critical")
        ]
        page.get_by_role("link", name="ffhq 256").click()
        assert page.url == f"{address}/ffhq%20256/leaderboard.html"
        assert page.get_by_role("heading", level=1).inner_text() == "Face generator leaderboard"
        page.go_back()
        for name in ("JSON", "CSV", "BibTeX"):
            link = page.locator("#board-1 ~ .files").get_by_role("link", name=name)
            assert page.request.get(f"{address}/{link.get_attribute('href')}").ok
        assert json.loads(page.request.get(f"{address}/celeba64/leaderboard.json").text())["groups"]
        assert wrong == []
        browser.close()
