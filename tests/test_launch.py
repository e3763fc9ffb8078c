"""``--processes``: torch's launcher with the same command; its exit code and reasons come back."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from facebench.cli import cli
from facebench.errors import BadInput
from facebench.files import read_json
from facebench_pca.train import command as pca
from facebench_vae.train import command as vae

SMALL = "--width 4 --batch-size 4 --latent-dim 4 --processes 2 --checkpoint-every 2 --log-every 1"


def start(*words: object, **options: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "facebench", *map(str, words)],
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "2"} | options,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def errors(text: str) -> list[str]:
    return re.findall(r"^Error: .*$", text, re.M)


def train(tiny_folder: Path, out: Path, steps: int, *others: str) -> "subprocess.Popen[str]":
    where = ("--data", tiny_folder, "--out", out, "--steps", steps)
    return start("train", "vae", *where, *SMALL.split(), *others)


def members(launcher: int) -> dict[int, int]:
    """Return the process of each rank that `launcher` started."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat, environment = (folder / "stat").read_text(), (folder / "environ").read_text()
        except OSError:
            continue
        ours = int(stat.rpartition(")")[2].split()[1]) == launcher
        if ours and (rank := re.search(r"\0RANK=(\d+)", environment)):
            found[int(rank[1])] = int(folder.name)
    return found


def wait_for_checkpoint(out: Path, process: "subprocess.Popen[str]") -> None:
    while not list((out / "checkpoints").glob("step-*")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)


@pytest.mark.processes
def test_one_speaks_and_one_model_is_made(tiny_folder: Path, tmp_path: Path) -> None:
    process = train(tiny_folder, tmp_path / "run", 3)
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert out.count("Model:") == 1 and "Traceback" not in err
    command = (tmp_path / "run" / "README.md").read_text().split("```")[1]
    assert "--processes 2" in command


@pytest.mark.processes
def test_all_take_as_many_steps_as_fit_into_the_first_ones_minutes(
    tiny_folder: Path, tmp_path: Path
) -> None:
    process = train(tiny_folder, tmp_path / "run", 10_000, "--minutes", "0.05")
    _, err = process.communicate()
    assert process.returncode == 0, err
    (steps,) = map(int, re.findall(r"(\d+) steps, .* each: as many as fit into 0.05 minutes", err))
    assert read_json(tmp_path / "run" / "config.json")["steps"] <= steps < 10_000


@pytest.mark.processes
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_keeps_a_checkpoint_and_the_same_command_goes_on(
    number: signal.Signals, tiny_folder: Path, tmp_path: Path
) -> None:
    process = train(tiny_folder, tmp_path, 100_000)
    wait_for_checkpoint(tmp_path, process)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert err.count("Stopped after step") == 1 and "Traceback" not in err
    step = int(re.findall(r"Stopped after step (\d+)", err)[0])
    process = train(tiny_folder, tmp_path, step + 2)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0 and f"Going on after step {step} of" in err


@pytest.mark.processes
def test_a_process_that_is_killed_ends_all_and_is_named(tiny_folder: Path, tmp_path: Path) -> None:
    process = train(tiny_folder, tmp_path, 100_000)
    wait_for_checkpoint(tmp_path, process)
    ranks = members(process.pid)
    os.kill(ranks[1], signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 137
    assert "Error: process 2 of 2 was ended by SIGKILL." in errors(err)
    assert "Traceback" not in err
    assert not any(Path(f"/proc/{each}").exists() for each in ranks.values())


@pytest.mark.processes
def test_a_reason_is_said_once_and_its_exit_code_comes_back(tmp_path: Path) -> None:
    process = start("train", "vae", "--data", "nowhere", "--out", tmp_path, "--processes", 2)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    (line,) = errors(err)
    assert "There is no data set nowhere" in line


@pytest.mark.processes
def test_the_reason_of_another_process_is_told(tiny_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os\n"
        "if os.environ.get('RANK') == '1':\n"
        "    import facebench.training.data as t\n"
        "    from facebench.errors import BadInput\n"
        "    def train_images(data):\n"
        "        raise BadInput('This machine has no disk.')\n"
        "    t.train_images = train_images\n"
    )
    path = f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"
    words = ["train", "vae", "--data", tiny_folder, "--out", tmp_path / "run", "--processes", 2]
    process = start(*words, "--steps", 2, PYTHONPATH=path)
    _, err = process.communicate(timeout=90)
    assert process.returncode == 2
    assert "Process 2 of 2 failed:\nError: This machine has no disk." in err


def test_under_torchrun_it_is_refused(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    where = ["--data", str(tiny_folder), "--out", str(tmp_path / "run")]
    error = CliRunner().invoke(vae, [*where, "--processes", "2"]).exception
    assert isinstance(error, BadInput) and "torchrun has started this one" in str(error)
    evaluation = ["eval", "--models", "a=images:x", "--reference", "x", "--processes", "2"]
    error = CliRunner().invoke(cli, evaluation).exception
    assert isinstance(error, BadInput) and "torchrun has started this one" in str(error)


@pytest.mark.parametrize("world", [None, "2"])
def test_eigenfaces_take_one_process(
    world: str | None, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--data", str(tiny_folder), "--out", str(tmp_path / "run"), "--components", "4"]
    if world:
        monkeypatch.setenv("WORLD_SIZE", world)
    else:
        words += ["--processes", "2"]
    error = CliRunner().invoke(pca, words).exception
    assert isinstance(error, BadInput) and "found in one process" in str(error)
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert CliRunner().invoke(pca, [*words[:6], "--processes", "1"]).exit_code == 0


@pytest.mark.parametrize(
    "path", [["eval"], *(["train", name] for name in ("dcgan", "flow", "pca", "pix2pix", "vae"))]
)
def test_every_command_that_shares_work_has_the_option(path: list[str]) -> None:
    assert "--processes INT" in CliRunner().invoke(cli, [*path, "--help"]).output
