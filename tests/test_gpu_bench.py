"""`make gpu` as a whole, on a pretended GPU: with everything installed, and with little."""

import os
import re
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

BENCH = Path(__file__).parent / "bench"
ABSENT = (
    *("torch_fidelity", "lpips", "msgspec", "platformdirs", "keras", "tensorflow", "diffusers"),
    *("jsonschema", "beartype", "prdc", "pytorch_fid", "vl_convert"),
)
"""What a machine with a GPU was seen to lack."""
HIDE = f"""
from importlib.machinery import PathFinder

find = PathFinder.find_spec

def find_others(cls, name, path=None, target=None):
    return None if name.partition(".")[0] in {ABSENT} else find(name, path, target)

PathFinder.find_spec = classmethod(find_others)
"""
ONLY_REAL = {
    "vae: in bf16": "only the process that pretends has a card",
    "function in bf16, compiled": "only the process that pretends has a card",
    **{
        f"Inception in {each}, compiled": "torch compiles nothing for a pretended card"
        for each in ("bf16", "fp32", "tf32")
    },
    "train flow --network large --mixed-precision --compile": "torch compiles nothing for a "
    "pretended card",
}


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give the command's module."""
    monkeypatch.syspath_prepend(BENCH)
    import gpu

    return gpu


def measure(folder: Path, *words: str, path: str = "") -> tuple[int, str, str]:
    """Run the command; return its exit code, its page and what it said."""
    paths = os.pathsep.join(filter(None, [path, os.environ.get("PYTHONPATH", "")]))
    words = (sys.executable, str(BENCH / "gpu.py"), "--out", str(folder / "GPU.md"), *words)
    plain = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}
    environment = os.environ | plain | {"PYTHONPATH": paths}
    process = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    page = folder / "GPU.md"
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    return process.returncode, text, process.stderr


def left_out(page: str) -> dict[str, str]:
    """Return what the page says was not measured, and why."""
    return dict(re.findall("^- (.+?): not measured: (.+)$", page, re.MULTILINE))


@pytest.mark.long
@pytest.mark.processes
@pytest.mark.tensorflow
def test_all_is_measured_on_a_pretended_gpu(tmp_path: Path) -> None:
    code, page, said = measure(tmp_path, "--pretend")
    assert left_out(page) == ONLY_REAL, said
    assert code == 0, page
    assert "On a pretended GPU" in page
    assert re.search(r"^\d+ passed(, \d+ warnings)? in", page, re.MULTILINE)
    for row in ("| facebench | bf16 |", "| torch-fidelity | tf32 |", "| the blocks alone, contig"):
        assert row in page
    for row in ("fid", "kid", "vendi", "authenticity", "function | fp32", "images: | bf16"):
        assert f"| {row} |" in page
    for row in ("vae", "vae --mixed-precision", "dcgan --backend torch --loss r3", "flow"):
        assert f"| {row} | 4 |" in page


@pytest.mark.long
@pytest.mark.processes
def test_what_is_not_installed_leaves_out_its_own_lines(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(HIDE, encoding="utf-8")
    code, page, said = measure(tmp_path, "--pretend", path=str(tmp_path))
    needs = {
        "Inception": "torch-fidelity",
        "memory formats": "torch-fidelity",
        "function": "msgspec",
        "images:": "msgspec",
        "train dcgan": "keras",
    }
    missing = {name: why for name, why in left_out(page).items() if name not in ONLY_REAL}
    assert missing, said
    for name, why in missing.items():
        (package,) = (needs[each] for each in needs if name.startswith(each))
        assert why == f"needs {package}"
    assert {name.split()[0] for name in missing} >= {"Inception", "function", "images:", "train"}
    assert code == 0, page
    assert "could not import 'torch_fidelity'" in page
    assert "could not import 'lpips'" in page
    for row in ("a product of matrices", "fid |", "vendi |", "vae | 4", "flow | 4"):
        assert f"| {row}" in page


@pytest.mark.processes
def test_without_a_gpu_nothing_is_written(tmp_path: Path) -> None:
    code, page, said = measure(tmp_path)
    assert (code, page) == (1, "")
    assert "torch sees no GPU here: --pretend runs small sizes without." in said


def test_a_part_that_lasts_too_long_is_ended(gpu: Any) -> None:
    assert gpu.ended(["sleep", "60"], 0.1, os.environ) == "the part was ended after 0 s"
    assert gpu.ended(["sleep", "60"], -1.0, os.environ) == "no time was left"
    assert gpu.ended(["false"], 10.0, os.environ) == "the part ended with exit code 1"


def test_a_case_that_fails_says_why(gpu: Any) -> None:
    error = ValueError("it cannot be used")
    error.__cause__ = ModuleNotFoundError("…", name="torch_fidelity.registry")
    assert gpu.reason(error) == "needs torch-fidelity"
    assert gpu.reason(RuntimeError("out of memory\nat …")) == "RuntimeError: out of memory"


def test_adapters_are_found_where_nothing_is_installed(gpu: Any, tmp_path: Path) -> None:
    (found,) = distributions(path=[str(gpu.entry_points(tmp_path))])
    entries = {(entry.group, entry.name) for entry in found.entry_points}
    assert {("facebench.adapters", "images"), ("facebench.adapters", "vae")} <= entries
    assert found.metadata["Name"] == "facebench"


def test_targets_are_told_from_the_best(gpu: Any, tmp_path: Path) -> None:
    from gpu_page import Record, append, page, read

    for figures in ({"facebench fp32": 90.0}, {"facebench fp32": 130.0, "torch-fidelity fp32": 65}):
        append(tmp_path, Record("Inception", "a", figures=figures), tmp_path / "GPU.md")
    records = [*read(tmp_path), Record("Metrics", "fid", figures={"metric fid": 1.5})]
    records.append(Record("Metrics", "kid", left_out="RuntimeError: no"))
    text = page(records)
    assert "| ≥ 1.3× | 2.00× |" in text
    assert "| < 20 s | 1.5 s without kid |" in text
    assert "- kid: not measured: RuntimeError: no" in text
    assert "2.00×" in (tmp_path / "GPU.md").read_text(encoding="utf-8")


def test_the_card_is_busy_while_a_kernel_or_a_copy_runs(gpu: Any) -> None:
    from gpu_timing import busy, covered

    def event(kind: str, start: float, end: float, is_note: bool = False) -> SimpleNamespace:
        device, span = SimpleNamespace(name=kind), SimpleNamespace(start=start, end=end)
        return SimpleNamespace(device_type=device, time_range=span, is_user_annotation=is_note)

    events = [event("CUDA", 0, 2e6), event("CUDA", 1e6, 3e6), event("CUDA", 5e6, 6e6)]
    others = [event("CPU", 0, 9e6), event("CUDA", 0, 9e6, is_note=True)]
    assert busy([*events, *others]) == 4.0
    assert covered([(5, 7), (0, 2), (1, 3)]) == 5
    with pytest.raises(ValueError, match="saw nothing"):
        busy(others)
