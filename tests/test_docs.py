"""The pages that people copy from: what they say is done here, word for word."""

import ast
import csv
import importlib
import json
import re
import shutil
from collections.abc import Iterator
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from textwrap import indent
from typing import Any

import numpy as np
import pytest
import torch
from pages import DOCS, ROOT, blocks, install_page, install_tinyflow, run
from pretended_gpu import pretended_gpu

from facebench.metrics import double_precision, uncertainty
from facebench.metrics.arrays import as_pair
from facebench.metrics.device import computing_on
from facebench.metrics.feature_sets import Comparison, FeatureSet
from facebench.plugins.model_spec import parse_models


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
    assert len(page) == 3
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


def _options(module: str, name: str) -> set[str]:
    """Return the keyword-only arguments of an adapter without importing its framework."""
    found = find_spec(module)
    assert found is not None and found.origin is not None
    tree = ast.parse(Path(found.origin).read_text(encoding="utf-8"))
    (opener,) = [node for node in tree.body if getattr(node, "name", "") == name]
    functions = [node for node in ast.walk(opener) if isinstance(node, ast.FunctionDef)]
    for each in functions:
        if each.name in ("__init__", name):
            return {argument.arg for argument in each.args.kwonlyargs} - {"code", "device"}
    assert isinstance(opener, ast.ClassDef)
    (base,) = map(ast.unparse, opener.bases)  # a class that has none takes what its base does
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    (home,) = [node.module for node in imports if base in {alias.name for alias in node.names}]
    return _options(str(home), base)


def test_the_models_page_names_every_adapter_for_models_and_its_options() -> None:
    page = (DOCS / "models.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([\w-]+)` \|(.*)$", page, re.MULTILINE))
    entries = {entry.name: entry for entry in entry_points(group="facebench.adapters")}
    public = {name for name in entries if not name.startswith("_")}
    assert rows.keys() == public - {"dcgan", "flow", "pca", "pix2pix", "vae"}  # which open runs
    options = {name: _options(entries[name].module, entries[name].attr) for name in rows}
    for name in rows.keys() - {"export", "onnx"}:
        assert options[name] and all(option in rows[name] for option in options[name]), name
    for name in ("export", "onnx"):  # "the same" as the row above
        assert options[name] == options["torchscript"], name


def said(place: Path, *words: str) -> str:
    """Run Python in `place`, and return what it prints."""
    answer = run(place, *words)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


@pytest.fixture(scope="module")
def energy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the metrics' page's metric."""
    return install_page("metrics.md", tmp_path_factory.mktemp("energy"))


@pytest.fixture(scope="module")
def results(energy: Path, tiny_folder: Path) -> Path:
    """Evaluate two models by the page's metric and by FID."""
    images = np.load(tiny_folder / "images.npy")
    np.save(energy / "inverted.npy", 255 - images)
    models = f"copies=images:{tiny_folder / 'images.npy'},inverted=images:inverted.npy"
    words = ["eval", "--models", models, "--reference", str(tiny_folder), "--num", "8"]
    said(energy, "-m", "facebench", *words, "--extractor", "random", "--metrics", "fid,energy")
    return energy / "results"


def rows(results: Path) -> list[dict[str, str]]:
    with (results / "leaderboard.csv").open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.processes
def test_the_pages_metric_is_on_the_board_with_interval_and_noise_floor(results: Path) -> None:
    for row in rows(results):
        number, low, high, error, floor = (
            float(row[f"energy_random{end}"]) for end in ("", "_low", "_high", "_error", "_floor")
        )
        assert low < number < high and error > 0 and np.isfinite(floor)
    board = (results / "leaderboard.html").read_text(encoding="utf-8")
    assert "Energy distance, random" in board and "farther real and generated images" in board


@pytest.mark.processes
def test_the_pages_metric_compares_and_has_a_card(energy: Path, results: Path) -> None:
    compared = said(energy, "-m", "facebench", "compare", "copies", "inverted", "--json")
    found = json.loads(compared)["metrics"]["energy_random"]
    assert (found["title"], found["verdict"]) == ("Energy distance, random", "first")
    card = said(energy, "-m", "facebench", "metrics", "energy")
    assert "Energy distance ↓" in card and "feature units" in card


@pytest.mark.processes
def test_without_its_package_the_board_leaves_it_out_and_says_so(
    results: Path, tmp_path: Path
) -> None:
    shutil.copytree(results, tmp_path / "results")
    said(tmp_path, "-m", "facebench", "report", "results", "--to", "csv,html")
    why = "energy_random is not shown: the package that has this metric is not installed"
    for row in rows(tmp_path / "results"):
        assert "energy_random" not in row and why in row["notes"]
    assert why in (tmp_path / "results" / "leaderboard.html").read_text(encoding="utf-8")
    compared = said(tmp_path, "-m", "facebench", "compare", "copies", "inverted", "--json")
    assert json.loads(compared)["metrics"].keys() == {"fd_random"}


def test_the_pages_lines_about_blocks_make_an_estimate() -> None:
    _, lines = (each.text for each in blocks(DOCS / "metrics.md", "python") if not each.name)
    given: dict[str, Any] = {"blocks": uncertainty.blocks, "from_blocks": uncertainty.from_blocks}
    exec(f"def estimate(x, y, share):\n{indent(lines, '    ')}", given)
    x, y = np.random.default_rng(0).standard_normal((2, 100, 3))
    found = given["estimate"](x, y, lambda a, b: float(np.abs(a.max() - b.max())))
    assert found.value == abs(x.max() - y.max()) and found.error > 0


@pytest.fixture
def as_fast_on_the_card(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let float64 be computed on the pretended GPU."""
    monkeypatch.setattr(double_precision, "product_seconds", lambda _: 1.0)
    double_precision.forget()
    yield
    double_precision.forget()


@pytest.mark.usefixtures("as_fast_on_the_card")
def test_the_pages_lines_about_devices_make_tensors_where_the_rows_are() -> None:
    lines, _ = (each.text for each in blocks(DOCS / "metrics.md", "python") if not each.name)
    draw = np.random.default_rng(0).standard_normal
    comparison = Comparison(FeatureSet(draw((30, 4))), FeatureSet(draw((20, 4))))
    given: dict[str, Any] = {"torch": torch, "as_pair": as_pair, "comparison": comparison}
    exec(lines, given)
    here = given["directions"]
    with pretended_gpu(), computing_on("cuda"):
        exec(lines, given)
        assert torch.equal(given["directions"].cpu(), here)
        assert (given["x"][:] @ given["directions"]).device == given["total"].device


@pytest.mark.usefixtures("as_fast_on_the_card")
def test_the_pages_metric_computes_on_a_gpu(energy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(energy)
    row = importlib.import_module("facebench_energy").ENERGY
    draw = np.random.default_rng(0).standard_normal
    comparison = Comparison(FeatureSet(draw((60, 4))), FeatureSet(draw((80, 4)) + 2))
    here = row.compute(comparison)
    with pretended_gpu() as gpu, computing_on("cuda"):
        there = row.compute(comparison)
    assert gpu.operations > 0
    assert (there.value, there.error) == (here.value, here.error)


@pytest.mark.processes
def test_the_pages_metric_is_the_same_inside_facebench(energy: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "facebench", tmp_path / "facebench")
    module = (energy / "facebench_energy.py").read_text(encoding="utf-8")
    functions, _, row = module.partition("\n\nENERGY = ")
    home = tmp_path / "facebench" / "metrics"
    functions = functions.replace("from facebench.metrics.table import Metric\n", "")
    (home / "energy.py").write_text(functions, encoding="utf-8")
    table = (home / "distance_rows.py").read_text(encoding="utf-8").rstrip().removesuffix(")")
    imported = "from facebench.metrics.energy import energy\nfrom facebench.metrics.metric"
    table = table.replace("from facebench.metrics.metric", imported, 1)
    (home / "distance_rows.py").write_text(f"{table}    {row.rstrip()},\n)\n", encoding="utf-8")
    probe = """
import numpy as np
from facebench.metrics.feature_sets import Comparison, FeatureSet
from facebench.metrics.table import METRICS
draw = np.random.default_rng(0).standard_normal
found = METRICS["energy"].compute(Comparison(*(FeatureSet(draw((60, 8)) + i) for i in range(2))))
print(METRICS["energy"].compute.__module__, found.value, found.error)
"""
    ours, theirs = (said(folder, "-c", probe).split() for folder in (tmp_path, energy))
    assert (ours.pop(0), theirs.pop(0)) == ("facebench.metrics.energy", "facebench_energy")
    assert ours == theirs


def test_the_pages_number_and_error_are_right(
    energy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(energy)
    row = importlib.import_module("facebench_energy").ENERGY
    found = []
    for seed in range(100):
        draw = np.random.default_rng(seed).standard_normal
        found.append(
            row.compute(Comparison(FeatureSet(draw((60, 1))), FeatureSet(draw((80, 1)) + 2)))
        )
    values = np.array([each.value for each in found])
    x, y = np.random.default_rng(0).standard_normal((2, 400_000))
    y += 2
    expected = 2 * np.abs(x - y).mean() - np.abs(x - np.roll(x, 1)).mean() * 2
    assert values.mean() == pytest.approx(expected, rel=0.03)
    errors = np.array([each.error for each in found], np.float64)
    assert np.sqrt(np.square(errors).mean()) == pytest.approx(values.std(ddof=1), rel=0.2)
