"""An exception fails its row, or its metric; what is of the machine is one sentence."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facebench.engine import evaluate
from facebench.results.result import read_result
from facebench.sandbox.control_groups import least_memory
from facebench.text import to_ascii


def facebench(
    *words: object, cwd: Path, before: Callable[[], None] | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "facebench", *map(os.fsencode, map(str, words))],
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""} | environment,
        cwd=cwd,
        preexec_fn=before,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


@pytest.mark.processes
def test_a_metric_that_fails_fails_alone_and_the_board_says_so(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*features: Any) -> Any:
        raise np.linalg.LinAlgError("Eigenvalues did not converge")

    copies = {"copies": f"images:{tiny_folder / 'images.npy'}"}
    options: dict[str, Any] = {"extractor": "random", "num": 8, "out": tmp_path / "r"}
    with monkeypatch.context() as patched:
        patched.setattr("facebench.metrics.kernel.kernel_estimate", broken)
        (result,) = evaluate(copies, tiny_folder, metrics="fid,kid,vendi", **options).results
    assert result.metrics.keys() == {"fd_random", "vendi"}
    assert result.failed == {"kd_random": "LinAlgError: Eigenvalues did not converge"}
    assert read_result(tmp_path / "r" / "copies.json") == result
    assert facebench("report", "r", cwd=tmp_path).returncode == 0
    for form in ("leaderboard.html", "leaderboard.csv", "leaderboard.json", "leaderboard.md"):
        assert "Eigenvalues did not converge" in (tmp_path / "r" / form).read_text(), form
    (result,) = evaluate(copies, tiny_folder, metrics="kid", **options).results
    assert result.metrics.keys() == {"fd_random", "vendi", "kd_random"} and not result.failed


@pytest.mark.processes
def test_a_row_without_any_metric_has_failed(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*features: Any) -> Any:
        raise MemoryError("no room for 8 TiB")

    monkeypatch.setattr("facebench.metrics.frechet.frechet_estimate", broken)
    copies = {"copies": f"images:{tiny_folder / 'images.npy'}"}
    found = evaluate(copies, tiny_folder, metrics="fid", extractor="random", num=8)
    assert "no metric could be computed: MemoryError: no room for 8 TiB" in str(
        found.failures["copies"]
    )


@pytest.mark.processes
def test_a_failed_metric_is_exit_code_1(tiny_folder: Path, tmp_path: Path) -> None:
    launcher = (
        "from facebench.metrics import kernel\n"
        "kernel.kernel_estimate = lambda *given: 1 / 0\n"
        "from facebench.cli import main; main()\n"
    )
    models = f"copies=images:{tiny_folder / 'images.npy'}"
    words = ["eval", "--models", models, "--reference", str(tiny_folder), "--extractor", "random"]
    answer = subprocess.run(
        [sys.executable, "-c", launcher, *words, "--metrics", "fid,kid", "--out", "r"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 1 and "Traceback" not in answer.stderr
    expected = "Error: copies: kd_random could not be computed: ZeroDivisionError"
    assert expected in answer.stderr
    assert (tmp_path / "r" / "leaderboard.html").is_file()


@pytest.mark.processes
@pytest.mark.parametrize("name", [b"caf\xe9", b"\xc8\xcb\xc1\xb3", b"new\nline", b"a" * 200])
def test_whatever_a_file_is_called_it_is_scored_and_so_is_the_row_beside_it(
    name: bytes, tiny_folder: Path, tmp_path: Path
) -> None:
    folder = os.fsdecode(os.path.join(os.fsencode(tmp_path), name))
    os.mkdir(folder)
    for seed, image in enumerate(np.load(tiny_folder / "images.npy")[:8]):
        path = os.path.join(os.fsencode(folder), name + str(seed).encode() + b".png")
        Image.fromarray(image.transpose(1, 2, 0)).save(os.fsdecode(path))
    models = {"odd": f"images:{folder}", "good": f"images:{tiny_folder / 'images.npy'}"}
    found = evaluate(models, tiny_folder, extractor="random", num=8, out=tmp_path / "r")
    assert [result.model for result in found.results] == ["odd", "good"], found.failures
    answer = facebench("report", "r", cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    (tmp_path / "r" / "leaderboard.html").read_text(encoding="utf-8")


@pytest.mark.processes
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "gbk"])
def test_a_terminal_of_few_letters_gets_all_that_matters(
    encoding: str, tiny_folder: Path, tmp_path: Path
) -> None:
    models = f"copies=images:{tiny_folder / 'images.npy'}"
    words = ["eval", "--models", models, "--reference", tiny_folder, "--extractor", "random"]
    answer = facebench(*words, "--out", "r", cwd=tmp_path, PYTHONIOENCODING=encoding)
    assert answer.returncode == 0, answer.stderr
    assert "leaderboard.html" in answer.stdout
    for command in (["metrics"], ["adapters"], ["weights"], ["eval", "--help"]):
        answer = facebench(*command, cwd=tmp_path, PYTHONIOENCODING=encoding)
        assert answer.returncode == 0, answer.stderr


def test_a_minus_stays_one() -> None:
    assert to_ascii("−3.14 – 10 ± 2, FID∞ ↓ 64×64") == "-3.14 - 10 +- 2, FIDinf v 64x64"


@pytest.mark.processes
@pytest.mark.parametrize("home", ["/proc", None])
def test_a_user_without_a_home_is_told_of_the_cache(
    home: str | None, tiny_folder: Path, tmp_path: Path
) -> None:
    def forget() -> None:
        os.environ.pop("FACEBENCH_CACHE", None)

    models = f"copies=images:{tiny_folder / 'images.npy'}"
    words = ["eval", "--models", models, "--reference", str(tiny_folder), "--extractor", "random"]
    plain_words = [sys.executable, "-m", "facebench", *words]
    environment = {k: v for k, v in os.environ.items() if k not in ("FACEBENCH_CACHE", "HOME")}
    # As in a container: a user whom the system does not know.
    stranger = ["unshare", "--user", "--map-user=12345", "--map-group=12345"]
    answer = subprocess.run(
        [*(stranger if home is None else []), *plain_words],
        env=environment | ({"HOME": home} if home else {}),
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if home is None and "unshare" in answer.stderr:
        pytest.skip(f"needs user namespaces: {answer.stderr}")
    assert answer.returncode == 2, answer.stderr
    assert answer.stderr.count("\n") == 1 and "Traceback" not in answer.stderr
    assert "set FACEBENCH_CACHE to a folder that may be written" in answer.stderr


@pytest.mark.processes
@pytest.mark.parametrize(
    "words",
    [
        "eval --models c=images:{data}/images.npy --reference {data} --extractor random --out r",
        "train pca --data {data} --out run --components 8",
        "train vae --data {data} --out run --steps 2 --width 8",
    ],
)
def test_a_file_that_cannot_grow_is_one_sentence(
    words: str, tiny_folder: Path, tmp_path: Path
) -> None:
    def narrow() -> None:  # as a full disk, on any machine
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    answer = facebench(*words.format(data=tiny_folder).split(), cwd=tmp_path, before=narrow)
    assert answer.returncode == 2, answer.stderr
    (line,) = [line for line in answer.stderr.splitlines() if line.startswith("Error: ")]
    assert "File too large" in line and "Traceback" not in answer.stderr


def _cgroup(root: Path, files: dict[str, str]) -> int:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return least_memory(root)


V2, V1 = "0::/slurm/job_7/step_0\n", "9:cpu:/x\n4:memory:/slurm/job_7/step_0\n"


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({}, 1 << 62),
        ({"sys/fs/cgroup/memory.max": "5000\n"}, 5000),
        ({"sys/fs/cgroup/memory.max": "max\n", "proc/self/cgroup": V2}, 1 << 62),
        ({"proc/self/cgroup": V2, "sys/fs/cgroup/slurm/job_7/memory.max": "700\n"}, 700),
        (
            {
                "proc/self/cgroup": V2,
                "sys/fs/cgroup/slurm/job_7/step_0/memory.max": "900\n",
                "sys/fs/cgroup/slurm/memory.max": "800\n",
            },
            800,
        ),
        (
            {
                "proc/self/cgroup": V1,
                "sys/fs/cgroup/memory/slurm/job_7/memory.limit_in_bytes": "600\n",
            },
            600,
        ),
        ({"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712"}, 1 << 62),
    ],
)
def test_the_least_limit_of_nested_control_groups_counts(
    files: dict[str, str], limit: int, tmp_path: Path
) -> None:
    assert _cgroup(tmp_path, files) == limit
