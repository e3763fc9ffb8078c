import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

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


def test_reports_read_results_and_know_no_engine() -> None:
    rooms = "errors|files|grid|metrics[.](card|paired|table)|result"
    allowed = re.compile(rf"facebench[.]({rooms})([.]|$)|facebench(_reports|$)|(?!facebench)")
    for path in (ROOT / "reports").rglob("*.py"):
        assert not [name for name in _imports(path) if not allowed.match(name)], path


def _loaded(code: str) -> set[str]:
    probe = f"import sys\n{code}\nsys.stdout.write(' '.join(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True)
    return set(answer.stdout.decode().rpartition("\n")[2].split())


@pytest.mark.parametrize(
    "code",
    [
        "import facebench",
        "from facebench.cli import cli; cli(['--help'], standalone_mode=False)",
        "from facebench.cli import cli; cli(['eval', '--help'], standalone_mode=False)",
        "from facebench.cli import cli; cli(['train', '--help'], standalone_mode=False)",
        "from facebench.cli import cli; cli(['train', 'dcgan', '--help'], standalone_mode=False)",
        "from facebench.cli import cli; cli(['train', 'pca', '--help'], standalone_mode=False)",
        "from facebench.cli import cli; cli(['sample', '--help'], standalone_mode=False)",
        "from facebench.cli import cli; cli(['data', 'download', '--help'], standalone_mode=False)",
        "from facebench.cli import cli; cli(['compare', '--help'], standalone_mode=False)",
        "import facebench.metrics.table",
    ],
)
def test_help_and_import_load_no_framework(code: str) -> None:
    assert not _loaded(code) & {"torch", "keras", "tensorflow", "sklearn", "pandas", "scipy"}


def test_nothing_is_unpickled_or_evaluated() -> None:
    suspects = re.compile(
        r"import pickle|joblib|allow_pickle=True|weights_only=False|safe_mode=False|jit\.load"
        r"|(?<![\w.])(eval|exec)\("
    )
    for folder in ("facebench", "adapters", "reports"):
        for path in (ROOT / folder).rglob("*.py"):
            assert not suspects.search(path.read_text(encoding="utf-8")), path
