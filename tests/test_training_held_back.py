"""No trainer looks at the hold-out: what differs there alone changes nothing that a run makes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from facebench.data.dataset import open_dataset
from facebench.data.prepare import synthesize
from facebench.errors import BadInput
from facebench.files import read_json
from facebench.training.data import held_back, hold_back
from facebench_flow.train import command as flow
from facebench_pca.train import command as pca
from facebench_vae.train import command as vae

pytestmark = pytest.mark.usefixtures("narrow_flow")
TRAIN, HELD = 30, 3
OFTEN = "--log-every 1 --grid-every 2 --checkpoint-every 1 --export best --seed 3"
NETWORK = "--steps 4 --batch-size 8 --width 4 --latent-dim 8"
TRAINERS = {
    "vae": (vae, f"{NETWORK} --prior fitted --device cpu"),
    "pca": (pca, "--components 4 --solver randomized --passes 3"),
    "flow": (flow, "--steps 4 --batch-size 4 --solver-steps 2 --device cpu"),
}
# Trains on every data set, in one process, TensorFlow eagerly: compiling takes most of the time.
DCGAN = """
import sys
from facebench_dcgan import gan
from facebench_dcgan.train import command

gan.SETTLING_PASSES = 2
backend, out, words, *datas = sys.argv[1:]
if backend == "tensorflow":
    import tensorflow as tf
    tf.config.run_functions_eagerly(True)
for data in datas:
    where = ["--data", data, "--out", out + data[-1], "--backend", backend]
    command([*where, *words.split()], standalone_mode=False)
"""


@pytest.fixture(scope="module")
def datas(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Give a data set, one with another hold-out, and one with other images held back."""
    folder = tmp_path_factory.mktemp("heldback")
    made = {}
    for name in ("a", "holdout-b", "held-back-c"):
        synthesize(folder / name, num=TRAIN + 10, size=16, holdout=10)
        images = np.load(folder / name / "images.npy")
        noise = np.random.default_rng(1).choice(np.array([0, 255], np.uint8), images.shape)
        chosen = {"a": [], "holdout-b": np.arange(TRAIN, len(images)), "held-back-c": held()}[name]
        images[chosen] = noise[chosen]
        np.save(folder / name / "images.npy", images)
        made[name] = folder / name
    return made


def held() -> np.ndarray:
    rows = np.arange(TRAIN)
    return hold_back(rows, seed=3)[1][:]


def logged(run: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


def files(run: Path) -> dict[str, bytes]:
    made = [path for path in run.rglob("*.*") if path.suffix in {".png", ".npz", ".svg"}]
    made += [*run.glob("model.*"), *run.glob("checkpoints/*")]
    return {path.relative_to(run).as_posix(): path.read_bytes() for path in made}


def train(name: str, data: Path, out: Path) -> Path:
    command, words = TRAINERS[name]
    where = ["--data", str(data), "--out", str(out)]
    answer = CliRunner().invoke(command, [*where, *OFTEN.split(), *words.split()])
    assert answer.exit_code == 0, answer.output
    return out


def choice(run: Path) -> str:
    return (run / "README.md").read_text().partition("The model is that of")[2].partition(".")[0]


@pytest.mark.parametrize("name", TRAINERS)
def test_another_holdout_gives_the_same_scores_choice_and_files(
    name: str, datas: dict[str, Path], tmp_path: Path
) -> None:
    one, other = (train(name, datas[data], tmp_path / data) for data in ("a", "holdout-b"))
    assert logged(one) == logged(other)
    assert choice(one) == choice(other) != ""
    different = {key for key, made in files(one).items() if files(other)[key] != made}
    assert {key for key in different if not key.startswith("checkpoints/")} == set()
    assert files(one).keys() == files(other).keys()


@pytest.mark.parametrize("name", TRAINERS)
def test_what_is_held_back_is_scored_and_never_learnt(
    name: str, datas: dict[str, Path], tmp_path: Path
) -> None:
    runs = [train(name, datas[data], tmp_path / data) for data in ("a", "held-back-c")]
    learnt, scores = zip(*(_split(logged(run)) for run in runs), strict=True)
    assert learnt[0] == learnt[1]
    assert min(abs(a - b) for a, b in zip(*scores, strict=True)) > 0.02
    assert read_json(runs[0] / "config.json")["held_back"] == HELD
    readme = (runs[0] / "README.md").read_text()
    assert f"{TRAIN - HELD} images" in readme and f"Scores are of {HELD} more" in readme


def _split(lines: list[dict[str, float]]) -> tuple[list[dict[str, float]], list[float]]:
    others = [line for line in lines if not {"score", "held_back_elbo"} & line.keys()]
    return others[:-1], [line["score"] for line in lines if "score" in line]  # -1: of the best


@pytest.mark.parametrize(
    ("backend", "words"),
    [
        ("tensorflow", f"{OFTEN} {NETWORK}"),
        ("torch", f"{OFTEN} {NETWORK}"),
        ("tensorflow", f"{OFTEN} --preset notebook --steps 4 --batch-size 4 --width 4"),
    ],
    ids=["tensorflow", "torch", "notebook"],
)
def test_no_dcgan_sees_the_holdout_or_learns_what_is_held_back(
    backend: str,
    words: str,
    datas: dict[str, Path],
    tmp_path: Path,
    keras_process: Callable[..., list[str]],
) -> None:
    out = tmp_path / "run-"
    keras_process(DCGAN, backend, out, words, *datas.values(), backend=backend)
    one, other, held = ([*logged(Path(f"{out}{key}"))] for key in "abc")
    for a, b, c in zip(one, other, held, strict=True):
        assert a == pytest.approx(b, rel=1e-3)
        if "score" in a:
            assert abs(a["score"] - c["score"]) > 0.005
        else:
            assert a == pytest.approx(c, rel=1e-3)
    assert choice(Path(f"{out}a")) == choice(Path(f"{out}b"))


@pytest.mark.parametrize(
    ("images", "count"), [(2, 0), (19, 0), (20, 2), (100, 10), (8000, 256), (200_000, 256)]
)
def test_a_tenth_is_held_back_and_256_at_most_and_none_of_a_few(images: int, count: int) -> None:
    assert held_back(images) == count
    learnt, scored = hold_back(np.arange(images), seed=0)
    assert len(learnt) == images - count
    assert len(scored) == (count or images)
    both = np.concatenate([learnt[:], scored[:]] if count else [learnt[:]])
    assert (np.sort(both) == np.arange(images)).all()


def test_what_is_held_back_depends_on_the_seed_alone() -> None:
    rows = np.arange(100)
    assert (hold_back(rows, 1)[1][:] == hold_back(rows, 1)[1][:]).all()
    assert (hold_back(rows, 1)[1][:] != hold_back(rows, 2)[1][:]).any()


@pytest.mark.parametrize("images", [2, 3, 11, 19, 20])
@pytest.mark.parametrize("name", TRAINERS)
def test_few_images_train_a_model(name: str, images: int, tmp_path: Path) -> None:
    synthesize(tmp_path / "few", num=images, size=16, holdout=0)
    command, words = TRAINERS[name]
    words = words.replace("--components 4", "--components 1")
    where = ["--data", str(tmp_path / "few"), "--out", str(tmp_path / "run")]
    answer = CliRunner().invoke(command, [*where, *OFTEN.split(), *words.split()])
    assert answer.exit_code == 0, answer.output
    assert list((tmp_path / "run").glob("model.*"))
    told = "more training images, which it did not" if images >= 20 else "too few to hold any back"
    assert told in (tmp_path / "run" / "README.md").read_text()


def test_the_learnt_images_bound_the_eigenfaces(tmp_path: Path) -> None:
    synthesize(tmp_path / "faces", num=30, size=16, holdout=0)
    where = ["--data", str(tmp_path / "faces"), "--out", str(tmp_path / "run")]
    error = CliRunner().invoke(pca, [*where, "--components", "29"]).exception
    assert isinstance(error, BadInput) and "give at most 26" in str(error)
    assert CliRunner().invoke(pca, [*where, "--components", "26"]).exit_code == 0


@pytest.mark.parametrize("command", [vae, pca])
def test_help_says_what_scores_are_of(command: Any) -> None:
    said = " ".join(CliRunner().invoke(command, ["--help"]).output.split())
    assert "the hold-out is left to `facebench eval`" in said


def test_rows_are_read_when_they_are_asked_for(datas: dict[str, Path]) -> None:
    images = open_dataset(datas["a"]).split("train").images
    learnt, _ = hold_back(images, seed=3)
    kept = np.setdiff1d(np.arange(TRAIN), held())
    np.testing.assert_array_equal(learnt[5:9], images[kept[5:9]])
    np.testing.assert_array_equal(learnt[np.array([0, 7, 7])], images[kept[[0, 7, 7]]])
