import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from click.testing import Result as Answer

from facebench.cli import cli
from facebench.errors import BadInput
from facebench.results.result import Protocol, Result, Value, write_result

PROTOCOL = Protocol(
    *("faces64", "ab" * 32, "holdout", "140", 64, "lanczos", "inception"),
    *({"inception": "a" * 64}, "float32", 1000, 1000),
)


def value(level: float, spread: float, seed: int, reference: float | None = None) -> Value:
    noise = np.random.default_rng(seed).normal(0, spread, 32)
    groups = level + noise - noise.mean()
    return Value(level, reference=reference, groups=tuple(groups.tolist()))


def result(model: str, fid: float, recall: float, seed: int) -> Result:
    metrics = {
        "fid": value(fid, 1.0, seed),
        "recall": value(recall, 0.1, seed),
        "lpips_diversity": value(0.3, 0.1, seed, reference=0.33),
    }
    return Result(model, "images", "runs/a", "cd" * 32, 0, PROTOCOL, metrics)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    good, other = result("good", 10.0, 0.5, 0), result("other", 20.0, 0.51, 1)
    for each in (good, other, replace(good, model="odd", protocol=replace(PROTOCOL, crop="108"))):
        write_result(each, tmp_path)
    return tmp_path


def run(*words: object) -> Answer:
    return CliRunner().invoke(cli, ["compare", *map(str, words)])


def test_it_tells_differences_from_noise(folder: Path) -> None:
    answer = run("good", "other", "--results", folder)
    assert answer.exit_code == 0
    assert re.search(r"FID ↓ +10\.00 +20\.00 +−10\.00 +< 0\.001 +good is better", answer.output)
    assert re.search(r"−10\.\d\d to −9\.\d\d", answer.output)
    assert re.search(r"Recall ↑ +0\.5000 +0\.5100 +−0\.010 +0\.\d{3} +no difference", answer.output)
    assert "distances from the real images" in answer.output
    assert max(map(len, answer.output.splitlines())) <= 80


def test_names_may_be_paths(folder: Path) -> None:
    by_path = run(folder / "good.json", folder / "other.json")
    assert by_path.output == run("good", "other", "--results", folder).output


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("good", "nobody"), "holds no result 'nobody'; it holds: good, odd, other"),
        (("good", "nobody.json"), r"no results file nobody\.json"),
        (("good", "odd"), "unlike protocols .crop 140 and 108.: .*--force"),
    ],
)
def test_what_cannot_be_compared_is_refused(folder: Path, words: tuple[str], says: str) -> None:
    answer = run(*words, "--results", folder)
    assert isinstance(answer.exception, BadInput)
    assert re.search(says, str(answer.exception))


def test_forced_it_warns_and_judges_nothing(folder: Path) -> None:
    answer = run("good", "odd", "--results", folder, "--force")
    assert answer.exit_code == 0
    assert answer.output.startswith("Warning: unlike protocols; what differs: crop")
    assert answer.output.count("not judged") == 3 and "is better" not in answer.output


def test_names_cannot_steer_the_terminal(tmp_path: Path) -> None:
    one = write_result(result("a", 1.0, 0.5, 0), tmp_path)
    one.write_text(one.read_text().replace('"model": "a"', '"model": "a\\u001b[2J[bold]"'))
    answer = run("a", "a", "--results", tmp_path)
    assert answer.exit_code == 0
    assert "\x1b" not in answer.output and "[bold]" in answer.output


@pytest.mark.processes
def test_comparing_loads_no_framework(folder: Path) -> None:
    code = (
        "import sys; from facebench.cli import cli; "
        f"cli(['compare', 'good', 'other', '--results', {str(folder)!r}], standalone_mode=False); "
        "loaded = {'torch', 'keras', 'tensorflow', 'sklearn', 'pandas', 'scipy.stats'}; "
        "sys.exit(bool(loaded & {*sys.modules}))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
