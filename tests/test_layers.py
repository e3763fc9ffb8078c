import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from facebench.results.result import Protocol, Result, Value, write_result

ROOT = Path(__file__).parent.parent


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", sorted((ROOT / "facebench").rglob("*.py")), ids=str)
def test_the_core_imports_no_adapter_and_no_report(path: Path) -> None:
    assert not [name for name in _imports(path) if name.startswith("facebench_")]


def test_no_two_adapters_lean_on_each_other() -> None:
    graph = {
        package.name: {
            home
            for path in package.rglob("*.py")
            for name in _imports(path)
            if (home := name.partition(".")[0]).startswith("facebench_") and home != package.name
        }
        for package in (ROOT / "adapters").iterdir()
    }
    assert graph["facebench_dcgan"]  # of Keras' files
    TopologicalSorter(graph).prepare()  # raises CycleError


LAYERS = (
    "text",
    "errors",
    "folder_walk",
    "files progress options",
    "sampler",
    "testing numerics cache translator",
    "weights synth plugins results distributed",
    "data",
    "samplers",
    "sandbox features",
    "faces",
    "metrics",
    "engine training",
    "pairs",
    "bundles",
    "cli",
    "__main__",
)
"""The rooms and single files of the core, from what stands on nothing to what stands on all."""


def _core_imports() -> Iterator[tuple[str, str, Path]]:
    for path in sorted((ROOT / "facebench").rglob("*.py")):
        room = path.relative_to(ROOT / "facebench").parts[0].removesuffix(".py")
        for name in _imports(path):
            parts = name.split(".")
            if room != "__init__" and parts[0] == "facebench" and parts[1:2] != ["__version__"]:
                yield room, parts[1] if len(parts) > 1 else "", path


def test_every_file_of_the_core_has_its_layer_and_imports_lower_ones_only() -> None:
    heights = {room: i for i, layer in enumerate(LAYERS) for room in layer.split()}
    there = {path.stem for path in (ROOT / "facebench").iterdir() if path.suffix in ("", ".py")}
    assert there - {"__init__", "__pycache__", "py"} == heights.keys()
    for room, imported, path in _core_imports():
        if imported and imported != room:
            assert heights[imported] < heights[room], f"{path} imports {imported}"


def test_reports_read_results_and_know_no_engine() -> None:
    rooms = "bundles[.]verdict|cache[.]paths|errors|files|data[.]grid|results|text"
    rooms += "|metrics[.](description|multiplicity|paired|paired_text|table|validity)"
    allowed = re.compile(rf"facebench[.]({rooms})([.]|$)|facebench(_reports|$)|(?!facebench)")
    for path in (ROOT / "reports").rglob("*.py"):
        assert not [name for name in _imports(path) if not allowed.match(name)], path


def _loaded(code: str) -> set[str]:
    probe = f"import sys\n{code}\nsys.stdout.write(' '.join(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True)
    return set(answer.stdout.decode().rpartition("\n")[2].split())


@pytest.mark.processes
@pytest.mark.parametrize(
    "code",
    [
        "import facebench",
        "from facebench.cli import cli; cli(['--help'], standalone_mode=False)",
        "from facebench.cli import cli; cli(['eval', '--help'], standalone_mode=False)",
        "from facebench.cli import cli; cli(['eval-pairs', '--help'], standalone_mode=False)",
        "from facebench.cli import cli; cli(['train', '--help'], standalone_mode=False)",
        "from facebench.cli import cli; cli(['train', 'dcgan', '--help'], standalone_mode=False)",
        "from facebench.cli import cli; cli(['train', 'pca', '--help'], standalone_mode=False)",
        "from facebench.cli import cli; cli(['train', 'flow', '--help'], standalone_mode=False)",
        "from facebench.cli import cli; cli(['train', 'pix2pix', '--help'], standalone_mode=False)",
        "from facebench.cli import cli; cli(['data', 'pairs', '--help'], standalone_mode=False)",
        "from facebench.cli import cli; cli(['sample', '--help'], standalone_mode=False)",
        "from facebench.cli import cli; cli(['data', 'download', '--help'], standalone_mode=False)",
        "from facebench.cli import cli; cli(['compare', '--help'], standalone_mode=False)",
        "from facebench.cli import cli; cli(['verify', '--help'], standalone_mode=False)",
        "from facebench.cli import cli; cli(['plan', '--help'], standalone_mode=False)",
        "from facebench.cli import cli; cli(['check', '--help'], standalone_mode=False)",
        "from facebench.cli import cli; cli(['bundle', '--help'], standalone_mode=False)",
        "from facebench.cli import cli; cli(['merge', '--help'], standalone_mode=False)",
        "from facebench.cli import cli; cli(['weights', '--help'], standalone_mode=False)",
        "import facebench.sandbox.worker",
        "import facebench.metrics.table",
    ],
)
def test_help_and_import_load_no_framework(code: str) -> None:
    assert not _loaded(code) & {"torch", "keras", "tensorflow", "sklearn", "pandas", "scipy"}


_READING = [["report"], ["plot"], *([each, "a", "b", "--results"] for each in ("compare", "plan"))]


@pytest.mark.processes
@pytest.mark.parametrize("words", _READING)
def test_what_reads_results_alone_loads_no_framework(words: list[str], tmp_path: Path) -> None:
    protocol = Protocol("d", "0", "holdout", "none", 8, "none", "random", {}, "float32", 8, 8)
    for name in "ab":
        metrics = {"fid": Value(float(ord(name)), 0.1, 1.0, 2.0, groups=(1.0, 2.0, 4.0))}
        write_result(Result(name, "images", name, "0", 0, protocol, metrics), tmp_path)
    loaded = _loaded(
        f"from facebench.cli import cli; cli({[*words, str(tmp_path)]}, standalone_mode=False)"
    )
    assert not loaded & {"torch", "torchvision", "tensorflow", "keras", "sklearn", "pandas"}
    assert words[0] in ("compare", "plan") or len(list(tmp_path.iterdir())) > 2


@pytest.mark.processes
def test_an_evaluation_whose_features_are_kept_loads_no_network(
    tiny_folder: Path, shared: Path, tmp_path: Path
) -> None:
    models = f"copies=images:{tiny_folder / 'images.npy'}"
    words = ["eval", "--models", models, "--reference", str(tiny_folder), "--num", "8"]
    words += ["--extractor", "inception@64", "--trust-weights", "--out", str(tmp_path / "results")]
    for name, file in (("inception", "inception_parity.pth"), ("alexnet", "alexnet_features.pth")):
        words += ["--weights", f"{name}={shared / 'weights' / file}"]
    code = f"from facebench.cli import cli; cli({words}, standalone_mode=False)"
    networks = {"torchvision", "torch_fidelity", "lpips"}
    assert networks <= _loaded(code)
    assert not _loaded(code) & (networks | {"scipy.stats", "sympy", "pandas"})


def test_nothing_is_unpickled_or_evaluated() -> None:
    suspects = re.compile(
        r"import (c?pickle|dill|shelve|marshal|cloudpickle)|joblib|allow_pickle=True|jit\.load"
        r"|weights_only=False|safe_mode=False|unsafe_deserialization|trust_remote_code"
        r"|yaml\.(unsafe_)?load\(|Unpickler|(?<![\w.])(eval|exec|compile)\("
    )
    # TorchScript is a program, and the user who says torchscript: asks for it (SECURITY.md).
    known = {"adapters/facebench_models/torch_model.py": ["jit.load"]}
    for folder in ("facebench", "adapters", "reports"):
        for path in (ROOT / folder).rglob("*.py"):
            found = [match[0] for match in suspects.finditer(path.read_text(encoding="utf-8"))]
            assert found == known.get(path.relative_to(ROOT).as_posix(), []), path


def test_every_torch_load_says_that_it_loads_weights_only() -> None:
    for folder in ("facebench", "adapters", "reports"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                    assert "weights_only=True" in ast.unparse(node), path


def test_every_array_is_loaded_without_pickles() -> None:
    for folder in ("facebench", "adapters", "reports"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "np.load":
                    assert "allow_pickle=False" in ast.unparse(node), path


NOT_OURS = {"_exit", "_fields", "_orig_mod", "_kernel", "_core", "_utils"}
"""What os, named tuples, torch.compile, Keras' layers and the pickles of arrays have."""


def _private_names(tree: ast.AST) -> Iterator[str]:
    """Yield what code, and what the code in its strings, takes from others by private names."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="self" | "cls")):
                pass
            case ast.Attribute(attr=name):
                yield name
            case ast.ImportFrom():
                yield from (alias.name for alias in node.names)
            case ast.Call(
                func=ast.Attribute(attr="setattr"), args=[_, ast.Constant(value=str(name)), *_]
            ):
                yield name
            case ast.Constant(value=str(text)):
                yield from re.findall(r"(?:(?<!self)(?<=[\w)])[.]|import )(_[a-zA-Z]\w*)", text)


def test_tests_use_public_names() -> None:
    found = {}
    for path in (ROOT / "tests").rglob("*.py"):
        names = set(_private_names(ast.parse(path.read_text(encoding="utf-8"))))
        private = {name for name in names if re.match("_[a-zA-Z]", name)} - NOT_OURS
        if private and not path.name.startswith("pretended_"):  # which is made of torch's own parts
            found[path.name] = private
    assert not found
