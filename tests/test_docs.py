"""The pages that people copy from: what they say is done here, word for word."""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

import pytest

from facebench.plugins.spec import parse_models

DOCS = Path(__file__).parents[1] / "docs"
BLOCK = re.compile(r"<!-- test: (\S+) -->\n```\w+\n(.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the page's adapter, as pip would: its module and its entry point."""
    site = tmp_path_factory.mktemp("site")
    blocks = dict(BLOCK.findall((DOCS / "adapters.md").read_text(encoding="utf-8")))
    project = tomllib.loads(blocks["pyproject.toml"])["project"]
    (site / "facebench_tinyflow.py").write_text(blocks["facebench_tinyflow.py"])
    info = site / "facebench_tinyflow-1.0.dist-info"
    info.mkdir()
    name, version = project["name"], project["version"]
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = []
    for group, entries in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{key} = {value}" for key, value in entries.items())]
    (info / "entry_points.txt").write_text("\n".join(lines))
    (site / "palette.json").write_text(json.dumps({"colours": [[0, 0.1, 0.2], [0.9, 0.8, 1]]}))
    return site


def test_the_pages_adapter_has_forty_lines_at_most(site: Path) -> None:
    assert len((site / "facebench_tinyflow.py").read_text().splitlines()) <= 40


@pytest.mark.parametrize(
    ("option", "code", "says"),
    [
        ("", 0, r"contract: uint8 \(n, 3, 64, 64\), RGB"),
        ("+size=32", 0, r"contract: uint8 \(n, 3, 32, 32\), RGB"),
        ("+side=32", 2, "no option 'side'; there are: size"),
    ],
)
def test_the_pages_adapter_passes_the_check(option: str, code: int, says: str, site: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "facebench", "check", f"mine=tinyflow{option}:palette.json"],
        cwd=site,
        env=os.environ | {"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == code, answer.stdout + answer.stderr
    assert re.search(says, answer.stdout + answer.stderr)
    assert "failed" not in answer.stdout


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
            return {argument.arg for argument in each.args.kwonlyargs} - {"code"}
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
    assert rows.keys() == public - {"dcgan", "pca", "vae"}  # which open runs
    options = {name: _options(entries[name].module, entries[name].attr) for name in rows}
    for name in rows.keys() - {"export", "onnx"}:
        assert options[name] and all(option in rows[name] for option in options[name]), name
    for name in ("export", "onnx"):  # "the same" as the row above
        assert options[name] == options["torchscript"], name
