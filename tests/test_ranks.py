"""One evaluation by two processes, as torchrun starts them, against one by one."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facebench.cache.store import FeatureStore
from facebench.data.prepare import prepare, synthesize
from facebench.results.result import read_result

pytestmark = pytest.mark.processes

# Chunks are small, so that there are several of them; every rank has a cache of its own, as on
# machines that share no files.
LAUNCHER = """
import os, signal, sys
import facebench.cli, facebench.engine.extract
from facebench.features.random import RandomFeatures
facebench.engine.extract.CHUNK = 8
rank = os.environ.get("RANK", "0")
if "RANK" in os.environ and os.environ["OWN"] == "yes":
    os.environ["FACEBENCH_CACHE"] += rank
if rank == os.environ["DIES"]:
    compute, chunks = RandomFeatures.compute, iter(range(1))
    def dying(*arguments):
        if next(chunks, None) is None:  # its second
            os.kill(os.getpid(), signal.SIGKILL)
        return compute(*arguments)
    RandomFeatures.compute = dying
if __name__ == "__main__":
    facebench.cli.main()
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ranks") / "faces"
    synthesize(folder, num=80, size=32, holdout=40)
    return folder


def run(
    data: Path, folder: Path, ranks: int, models: str = "", own: str = "yes", dies: str = ""
) -> subprocess.CompletedProcess[str]:
    script = folder / "launch.py"
    folder.mkdir(exist_ok=True)
    script.write_text(LAUNCHER)
    alone = [sys.executable, str(script)]
    many = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    many += [f"--nproc-per-node={ranks}", str(script)]
    models = models or f"copies=images:{data / 'images.npy'}"
    options = ["--models", models, "--reference", str(data), "--extractor", "random"]
    return subprocess.run(
        [*(many if ranks > 1 else alone), "eval", *options, "--out", str(folder / "results")],
        env=os.environ
        | {"FACEBENCH_CACHE": str(folder / "cache"), "CUDA_VISIBLE_DEVICES": ""}
        | {"OWN": own, "DIES": dies, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def scores(folder: Path) -> dict[str, float]:
    with (folder / "results" / "leaderboard.csv").open() as stream:
        (row,) = csv.DictReader(stream)
    return {key: float(value) for key, value in row.items() if key in ("fd_random", "recall", "is")}


@pytest.mark.parametrize("own", ["yes", "no"])
def test_two_ranks_give_the_scores_of_one(data: Path, tmp_path: Path, own: str) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    alone, together = run(data, one, 1), run(data, two, 2, own=own)
    assert (alone.returncode, together.returncode) == (0, 0), together.stderr
    assert scores(two) == pytest.approx(scores(one), rel=1e-6) and scores(one)
    theirs = [len(FeatureStore(two / f"cache{r}" / "features").records()) for r in range(2)]
    if own == "yes":  # each drew its share: rank 1 two of five chunks, of three sets of images
        assert theirs[1] == 3 * 2 and theirs[0] >= 3 * 5


PAINTER = """
import numpy as np

def paint(seeds, labels=None):
    names = labels or ["dark"] * len(seeds)
    return np.stack([
        np.random.default_rng(seed).integers(0, 128, (3, 32, 32)) + 127 * (name == "light")
        for seed, name in zip(seeds, names)
    ]).astype(np.uint8)

paint.classes = "light", "dark"
"""


def test_two_ranks_ask_for_the_classes_that_one_asks_for(tmp_path: Path) -> None:
    (tmp_path / "painter.py").write_text(PAINTER)
    for i in range(80):
        folder, base = (tmp_path / "source" / ("light", "dark")[i % 2]), 127 * (1 - i % 2)
        folder.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(1000 + i).integers(0, 128, (32, 32, 3)) + base
        Image.fromarray(noise.astype(np.uint8)).save(folder / f"{i}.png")
    data = prepare(
        tmp_path / "source", tmp_path / "data", size=32, holdout=40, labels="folders"
    ).folder
    models = f"painter=python+takes=seeds:{tmp_path / 'painter.py'}:paint"
    one, two = tmp_path / "one", tmp_path / "two"
    alone, together = run(data, one, 1, models), run(data, two, 2, models)
    assert (alone.returncode, together.returncode) == (0, 0), together.stderr
    results = [read_result(folder / "results" / "painter.json") for folder in (one, two)]
    values = [{key: each.value for key, each in result.metrics.items()} for result in results]
    assert values[1] == pytest.approx(values[0], rel=1e-6) and "fd_class_random" in values[0]
    assert "asked for the reference's classes" in results[1].notes
    assert results[0].model_digest == results[1].model_digest


def test_what_fails_on_one_rank_fails_the_row_on_all(data: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.npy"
    broken.write_bytes(b"no array")
    models = f"broken=images:{broken},copies=images:{data / 'images.npy'}"
    ended = run(data, tmp_path / "run", 2, models)
    assert "broken:" in ended.stderr
    assert scores(tmp_path / "run")


def test_a_rank_that_dies_ends_the_run_and_loses_nothing(data: Path, tmp_path: Path) -> None:
    ended = run(data, tmp_path / "run", 2, own="no", dies="1")
    assert ended.returncode != 0
    assert "Another process of this evaluation died" in ended.stderr or "SIGTERM" in ended.stderr
    kept = len(FeatureStore(tmp_path / "run" / "cache" / "features").records())
    assert kept > 0
    assert run(data, tmp_path / "run", 2, own="no").returncode == 0
