"""Trainers and evaluations on a GPU do what they do on a CPU; run by `make gpu`, as test_on_gpu.py.

Whatever is compared with was computed by a process that sees no GPU.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from unittest import mock

import numpy as np
import pytest
from any_card import card, own_cache  # noqa: F401  # fixtures

from facebench.training.recorded import WARM_UP

pytestmark = pytest.mark.gpu
SIDE = 32
FARTHEST = {
    "vae --width 4": 5e-3,
    "vae --width 4 --mixed-precision": 3e-2,
    "flow": 5e-3,
    "flow --mixed-precision": 3e-2,
    "pix2pix --width 8": 5e-3,
    "dcgan --backend torch --width 8": 5e-3,
    "dcgan --backend torch --width 8 --loss r3": 5e-3,
}
"""How far losses may be from the CPU's, by what is typed after `facebench train`."""
ON_CPU = """
import sys
from pathlib import Path
from test_programs_on_gpu import write_cpus_steps
write_cpus_steps(Path(sys.argv[1]), sys.argv[2:])
"""


def smooth(count: int) -> np.ndarray:
    """Seeded images that are no noise."""
    coarse = np.random.default_rng(0).integers(0, 256, (count, 3, 8, 8), np.uint8)
    return coarse.repeat(SIDE // 8, 2).repeat(SIDE // 8, 3)


def is_possible(command: str) -> bool:
    """Return whether what a trainer needs is installed."""
    return not command.startswith("dcgan") or find_spec("keras") is not None


def learner_of(command: str, folder: Path) -> Any:
    """Return what a trainer's command would fit, of data in `folder`."""
    name, *words = command.split()
    trainer, made = import_module(f"facebench_{name}.train"), list[Any]()
    data = folder / ("pairs" if name == "pix2pix" else "data")
    words += ["--data", str(data), "--out", mkdtemp(dir=folder), "--batch-size", "8"]
    with mock.patch.object(trainer, "fit", lambda run, learner, *_, **__: made.append(learner)):
        trainer.command(words, standalone_mode=False)
    return made[0]


def steps(learner: Any) -> list[dict[str, float]]:
    """Take steps, a GPU's last ones recorded; return their losses."""
    return [{k: float(v) for k, v in learner.step(i).items()} for i in range(1, WARM_UP + 4)]


def write_cpus_steps(folder: Path, commands: Sequence[str]) -> None:
    """Write what each learner was, and its losses; for a process that sees no GPU."""
    for number, command in enumerate(commands):
        if not is_possible(command):
            continue
        home = folder / str(number)
        learner = learner_of(command, home.parent)
        np.savez(home.with_suffix(".npz"), **learner.state())
        home.with_suffix(".json").write_text(json.dumps(steps(learner)), encoding="utf-8")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with data, with pairs, and with what the CPU made of them."""
    from facebench.data.prepare import prepare
    from facebench.pairs.make import make_pairs

    folder = tmp_path_factory.mktemp("programs")
    np.save(folder / "images.npy", smooth(240))
    prepare(folder / "images.npy", folder / "data", size=SIDE, holdout=80)
    make_pairs(folder / "data", folder / "pairs", "super-resolution")
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    words = [sys.executable, "-c", ON_CPU, str(folder), *FARTHEST]
    subprocess.run(words, env=environment, check=True, cwd=Path(__file__).parent)
    return folder


@pytest.mark.parametrize("command", FARTHEST)
def test_a_trainers_steps_are_the_cpus(command: str, home: Path) -> None:
    if not is_possible(command):
        pytest.skip("Keras is not installed")
    number = [*FARTHEST].index(command)
    expected = json.loads((home / f"{number}.json").read_text(encoding="utf-8"))
    learner = learner_of(command, home)
    with np.load(home / f"{number}.npz") as state:
        learner.restore(dict(state))
    for ours, theirs in zip(steps(learner), expected, strict=True):
        assert ours == pytest.approx(theirs, rel=FARTHEST[command])


def fast(seeds: Sequence[int]) -> np.ndarray:
    """Draw images without a network."""
    return smooth(400)[np.asarray(seeds)] // 2 + 40


def test_an_evaluations_scores_are_the_cpus(home: Path) -> None:
    pytest.importorskip("msgspec")
    import facebench

    given: dict[str, Any] = {
        "num": 80,
        "extractor": "random,portrait",
        "metrics": "fid,kid,precision,coverage",
    }
    scores = [
        facebench.evaluate({"fast": fast}, home / "data", device=device, **given).results[0]
        for device in ("cuda", "cpu")
    ]
    ours, theirs = ({k: v.value for k, v in each.metrics.items()} for each in scores)
    assert len(theirs) >= 4
    assert ours == pytest.approx(theirs, rel=1e-3)


def enlarged(sources: np.ndarray, seeds: Sequence[int]) -> np.ndarray:
    """Answer sources by their own pixels, enlarged."""
    factor = SIDE // sources.shape[2]
    return sources.repeat(factor, 2).repeat(factor, 3)


def test_translators_scores_are_the_cpus(home: Path) -> None:
    pytest.importorskip("msgspec")
    from facebench.pairs.evaluate import evaluate_pairs

    given: dict[str, Any] = {"extractor": "random", "metrics": "psnr,ssim,fid", "baselines": True}
    scores = [
        evaluate_pairs({"enlarged": enlarged}, home / "pairs", device=device, **given).results
        for device in ("cuda", "cpu")
    ]
    for on_card, on_cpu in zip(*scores, strict=True):
        ours, theirs = ({k: v.value for k, v in x.metrics.items()} for x in (on_card, on_cpu))
        assert {"psnr", "ssim"} <= theirs.keys()
        assert ours == pytest.approx(theirs, rel=1e-3)
