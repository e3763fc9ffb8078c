"""The pages that people copy from: what they say is done here, word for word."""

import ast
import re
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

import pytest
from pages import DOCS, blocks, install_tinyflow, run

from facebench.plugins.spec import parse_models


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the page's adapter, as pip would: its module and its entry point."""
    site = tmp_path_factory.mktemp("site")
    install_tinyflow(site)
    return site


def test_the_pages_adapter_has_forty_lines_at_most(site: Path) -> None:
    assert len((site / "facebench_tinyflow.py").read_text().splitlines()) <= 40


@pytest.mark.processes
@pytest.mark.parametrize(
    ("option", "code", "says"),
    [
        ("", 0, r"contract: uint8 \(n, 3, 64, 64\), RGB"),
        ("+size=32", 0, r"contract: uint8 \(n, 3, 32, 32\), RGB"),
        ("+side=32", 2, "no option 'side'; there are: size"),
    ],
)
def test_the_pages_adapter_passes_the_check(option: str, code: int, says: str, site: Path) -> None:
    answer = run(site, "-m", "facebench", "check", f"mine=tinyflow{option}:palette.json")
    assert answer.returncode == code, answer.stdout + answer.stderr
    assert re.search(says, answer.stdout + answer.stderr)
    assert "failed" not in answer.stdout


@pytest.mark.processes
def test_the_page_shows_what_the_check_says(site: Path) -> None:
    (shown,) = (each.text for each in blocks(DOCS / "adapters.md") if "contract:" in each.text)
    said = run(site, "-m", "facebench", "check", "mine=tinyflow:palette.json").stdout
    assert without_numbers(said) == without_numbers(shown)


def without_numbers(text: str) -> list[str]:
    return re.sub(r"\d[\d,.e+]*", "N", text).splitlines()


@pytest.mark.processes
def test_the_pages_own_test_passes(site: Path) -> None:
    page = [each.text for each in blocks(DOCS / "adapters.md", "python")]
    assert len(page) == 2
    answer = run(site, "-c", "\n".join([*page, "test_the_contract_is_kept()"]))
    assert answer.returncode == 0, answer.stderr


def test_the_commands_of_the_models_page_are_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    page = (DOCS / "models.md").read_text(encoding="utf-8").replace("\\\n", "")
    specs = re.findall(r"facebench check (\S+)$|--models (\S*strangers\S*)$", page, re.MULTILINE)
    assert len(specs) == 5
    for spec in ("".join(pair) for pair in specs):
        for part in spec.split(","):
            Path(re.split("[:@]", part)[-1]).touch()
        assert parse_models(spec)


def _options(entry: EntryPoint) -> set[str]:
    """Return the keyword-only arguments of an adapter without importing its framework."""
    found = find_spec(entry.module)
    assert found is not None and found.origin is not None
    tree = ast.parse(Path(found.origin).read_text(encoding="utf-8"))
    (opener,) = [node for node in tree.body if getattr(node, "name", "") == entry.attr]
    functions = [node for node in ast.walk(opener) if isinstance(node, ast.FunctionDef)]
    first = next(each for each in functions if each.name in ("__init__", entry.attr))
    return {argument.arg for argument in first.args.kwonlyargs} - {"code"}


def test_the_models_page_names_every_adapter_for_models_and_its_options() -> None:
    page = (DOCS / "models.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([\w-]+)` \|(.*)$", page, re.MULTILINE))
    entries = {entry.name: entry for entry in entry_points(group="facebench.adapters")}
    public = {name for name in entries if not name.startswith("_")}
    assert rows.keys() == public - {"dcgan", "pca", "vae"}  # which open runs
    for name in rows.keys() - {"export", "onnx"}:  # "the same" as the row above
        options = _options(entries[name])
        assert options and all(option in rows[name] for option in options), name
