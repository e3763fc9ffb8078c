"""Evaluations that are killed, started again, and must end as if nothing had happened."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors import safe_open

from facebench.cache.store import FeatureStore
from facebench.cli import cli
from facebench.data.prepare import synthesize
from facebench_pca.train import command as train_pca

pytestmark = pytest.mark.processes

COMMAND = ("-m", "facebench")
SMALL_CHUNKS = (
    "-c",
    "import facebench.cli, facebench.engine.extract as engine; engine.CHUNK = 8; "
    "facebench.cli.main()",
)


@dataclass(frozen=True)
class Evaluation:
    """One `facebench eval`, with a cache and results of its own in `folder`."""

    folder: Path
    launcher: Sequence[str]
    options: Sequence[str]

    def run(self, limit: float | None = None) -> bool:
        """Return whether it ended by itself; at `limit` seconds its whole group is killed."""
        with (self.folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, *self.launcher, "eval", *self.options, "--out", str(self.out)],
                env=os.environ | {"FACEBENCH_CACHE": str(self.folder), "CUDA_VISIBLE_DEVICES": ""},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            try:
                process.wait(limit)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                if process.wait() == -signal.SIGKILL:  # else it ended in this very moment
                    return False
        assert process.returncode == 0, (self.folder / "log").read_text()
        return True

    @property
    def out(self) -> Path:
        return self.folder / "results"

    @property
    def store(self) -> FeatureStore:
        return FeatureStore(self.folder / "features")

    def board(self) -> bytes:
        return (self.out / "leaderboard.csv").read_bytes()

    def results(self) -> dict[str, bytes]:
        """Return all files of the results but those that hold times; hidden ones are no results."""
        files = {p.relative_to(self.out).as_posix(): p for p in self.out.rglob("[!.]*.*")}
        for path in files.values():
            if path.suffix == ".json":
                json.loads(path.read_bytes())
        return {
            name: b"" if path.suffix in (".json", ".html") else path.read_bytes()
            for name, path in files.items()
        }

    def written(self) -> set[tuple[Path, int, int]]:
        """Return which records were written when: one that is computed again is another."""
        stats = ((file.path, file.path.stat()) for file in self.store.records())
        return {(path, stat.st_ino, stat.st_mtime_ns) for path, stat in stats}

    def digests(self) -> dict[str, str]:
        found = {}
        for file in self.store.records():
            with safe_open(file.path, "np") as record:
                found[file.path.name] = record.metadata()["digest"]
        return found

    def forget(self) -> None:
        shutil.rmtree(self.folder / "features")
        shutil.rmtree(self.out)


def _evaluation(folder: Path, launcher: Sequence[str], data: Path, models: str) -> Evaluation:
    folder.mkdir()
    options = ["--models", models, "--reference", str(data), "--extractor", "random"]
    return Evaluation(folder, launcher, options)


def _kill(evaluation: Evaluation, kills: int, duration: float, expected: bytes) -> None:
    """Kill one evaluation `kills` times; when it ends before its time, it begins from nothing."""
    rng = np.random.default_rng(2026)
    while kills:
        before, started = evaluation.written(), time.monotonic()
        ended = evaluation.run(limit=rng.uniform(0, duration))
        assert before <= evaluation.written()
        assert all(evaluation.store.is_whole(file.path) for file in evaluation.store.records())
        kills -= not ended
        if ended:
            assert evaluation.board() == expected
            evaluation.forget()
        if ended and not before:  # a whole run: the machine may be less busy than it was
            duration = time.monotonic() - started


@pytest.mark.parametrize(
    ("launcher", "images", "has_pca", "kills"),
    [
        pytest.param(SMALL_CHUNKS, 40, False, 3, id="3 kills"),
        pytest.param(COMMAND, 768, True, 30, id="30 kills", marks=pytest.mark.slow),
    ],
)
def test_an_evaluation_that_is_killed_ends_as_if_it_had_not_been(
    launcher: Sequence[str], images: int, has_pca: bool, kills: int, tmp_path: Path
) -> None:
    data = tmp_path / "faces"
    synthesize(data, num=images + 32, size=32, holdout=images)
    models = f"copies=images:{data / 'images.npy'}"
    if has_pca:
        train = ["--data", str(data), "--out", str(tmp_path / "pca"), "--components", "8"]
        assert CliRunner().invoke(train_pca, train).exit_code == 0
        models = f"pca={tmp_path / 'pca'},{models}"
    undisturbed = _evaluation(tmp_path / "undisturbed", launcher, data, models)
    killed = _evaluation(tmp_path / "killed", launcher, data, models)

    started = time.monotonic()
    assert undisturbed.run()
    _kill(killed, kills, time.monotonic() - started, undisturbed.board())
    assert killed.run()

    assert killed.board() == undisturbed.board()
    assert killed.results() == undisturbed.results()
    assert killed.digests() == undisturbed.digests()
    answer = CliRunner(env={"FACEBENCH_CACHE": str(killed.folder)}).invoke(cli, ["store", "verify"])
    assert answer.exit_code == 0, answer.output
