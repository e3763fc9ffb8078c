"""Wherever a run ends (stopped, killed, shortened, lengthened, damaged), it has everything."""

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from pretended_clock import Clock

from facebench.data.prepare import synthesize
from facebench.errors import BadInput
from facebench.files import read_json
from facebench.training.charts import save_chart
from facebench.training.checkpoints import Checkpoints
from facebench_dcgan.growth import Growth, growth
from facebench_flow.learner import FlowLearner
from facebench_flow.train import command as flow
from facebench_pca.learner import PCALearner
from facebench_pca.train import command as pca
from facebench_vae.learner import VAELearner
from facebench_vae.train import command as vae

pytestmark = pytest.mark.usefixtures("narrow_flow")
VAE = "--batch-size 8 --width 4 --latent-dim 4 --device cpu"
PCA = "--components 4 --solver randomized"
FLOW = "--batch-size 4 --solver euler --solver-steps 1 --device cpu"
TRAINERS: dict[str, tuple[click.Command, Any, str, str, str]] = {
    "vae": (vae, VAELearner, "--steps", "model.safetensors", VAE),
    "pca": (pca, PCALearner, "--passes", "model.npz", PCA),
    "flow": (flow, FlowLearner, "--steps", "model.safetensors", FLOW),
}
LOSSES = {"elbo", "explained_variance", "d_loss", "loss"}
SELDOM = "--log-every 50 --grid-every 50 --checkpoint-every 50"
OFTEN = "--log-every 1 --grid-every 1 --checkpoint-every 2"


def no_samples(run: Path) -> None:
    shutil.rmtree(run / "samples", ignore_errors=True)


def no_checkpoints(run: Path) -> None:
    shutil.rmtree(run / "checkpoints")


def cut_log(run: Path) -> None:
    path = run / "metrics.jsonl"
    whole = path.read_bytes() if path.exists() else b""
    path.write_bytes(whole[: len(whole) // 2] + b'\0\xff\n[]\n{"loss": 1}\n{"step": 1, "lo')


def no_log(run: Path) -> None:
    (run / "metrics.jsonl").unlink(missing_ok=True)


# How many steps it is begun for, at which it is stopped ("" is: not), what happens then, and what
# it is given to end.
ROADS: dict[str, tuple[int, int | None, Any, str]] = {
    "ended where it stopped": (100, 3, None, "3"),
    "ended before where it stopped": (100, 5, None, "3"),
    "ended after where it stopped": (100, 3, None, "5"),
    "gone on": (6, 3, None, "6"),
    "finished and shortened": (5, None, None, "3"),
    "finished and lengthened": (3, None, None, "6"),
    "finished and begun anew": (3, None, None, "3 --restart"),
    "stopped and begun anew": (100, 3, None, "2 --restart"),
    "the best, where none was scored": (100, 3, None, "3 --export best"),
    "finished, the best": (3, None, None, "5 --export best"),
    "samples lost": (100, 3, no_samples, "3"),
    "checkpoints lost": (100, 3, no_checkpoints, "3"),
    "finished, checkpoints lost": (3, None, no_checkpoints, "4"),
    "log cut": (100, 3, cut_log, "3"),
    "log cut, gone on": (6, 3, cut_log, "6"),
    "log lost": (3, None, no_log, "4"),
    "all lost": (3, None, lambda run: [f(run) for f in (no_log, no_samples, no_checkpoints)], "3"),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ends") / "faces16"
    synthesize(folder, num=30, size=16, holdout=6)
    return folder


def train(name: str, data: Path, out: Path, steps: str, words: str = SELDOM) -> Result:
    command, _, length, _, own = TRAINERS[name]
    where = ["--data", str(data), "--out", str(out), length]
    return CliRunner().invoke(command, [*where, *steps.split(), *words.split(), *own.split()])


def stop_at(step: int, number: int = signal.SIGINT) -> Callable[[Any], Any]:
    def stopping(take: Any) -> Any:
        def taking(learner: Any, now: int) -> Any:
            if now == step:
                signal.raise_signal(number)
            return take(learner, now)

        return taking

    return stopping


def assert_whole(run: Path, model: str, steps: int) -> None:
    left = {path.relative_to(run).as_posix() for path in run.rglob("*.*")}
    expected = {model, "README.md", "losses.svg", "metrics.jsonl", "config.json"}
    expected |= {f"samples/{name}" for name in ("final.png", "training.gif")}
    expected |= {f"samples/step-{steps:06d}.png", f"checkpoints/step-{steps:06d}.safetensors"}
    assert expected <= left
    assert not any(path.startswith(".") for path in left)
    with Image.open(run / "samples" / "final.png") as final:
        assert np.ptp(np.asarray(final)) > 0
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert max(line["step"] for line in lines) == steps
    assert [line["step"] for line in lines if "score" in line].count(steps) == 1
    logged = [line["step"] for line in lines if LOSSES & {*line}]
    assert logged.count(steps) == 1
    assert 'aria-roledescription="line mark"' in (run / "losses.svg").read_text()
    grids = (path.stem.removeprefix("step-") for path in run.glob("samples/step-*.png"))
    assert max(map(int, grids)) == steps
    config = read_json(run / "config.json")
    assert config.get("steps", config.get("passes")) == steps


@pytest.fixture(autouse=True)
def _no_mp4(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save the time that they take; test_training_loop makes some, and test_flow measures more."""
    monkeypatch.setattr("facebench_flow.fit.MEASURED", 1)
    monkeypatch.setattr("facebench.training.animation.find_spec", lambda name: None)


@pytest.mark.parametrize(
    ("name", "words"),
    [("vae", SELDOM), ("pca", SELDOM), ("pca", OFTEN), ("flow", SELDOM)],
    ids=["vae", "pca", "pca, often", "flow"],
)
@pytest.mark.parametrize("road", ROADS)
def test_every_road_ends_with_all_that_a_run_has(
    name: str, road: str, words: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, stop, accident, then = ROADS[road]
    learner, model, run = TRAINERS[name][1], TRAINERS[name][3], tmp_path / "run"
    with monkeypatch.context() as patched:
        if stop:
            patched.setattr(learner, "step", stop_at(stop)(learner.step))
        assert train(name, data, run, str(begun), words).exit_code == (130 if stop else 0)
    assert (run / model).exists() == (stop is None)
    if accident:
        accident(run)
    answer = train(name, data, run, then, words)
    assert answer.exit_code == 0, answer.output
    if "already trained" not in answer.output:
        assert_whole(run, model, int(then.split()[0]))
    assert "already trained" in train(name, data, run, then.split()[0], words).output


@pytest.mark.parametrize("words", [SELDOM, OFTEN], ids=["seldom", "often"])
def test_a_run_ended_early_is_the_run_that_was_as_long(
    words: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train("pca", data, tmp_path / "short", "3", words)
    with monkeypatch.context() as patched:
        patched.setattr(PCALearner, "step", stop_at(3)(PCALearner.step))
        train("pca", data, tmp_path / "ended", "100", words)
    train("pca", data, tmp_path / "ended", "3", words)
    for name in ("model.npz", "samples/final.png", "config.json"):
        assert (tmp_path / "short" / name).read_bytes() == (tmp_path / "ended" / name).read_bytes()
    short, ended = (_values(tmp_path / name) for name in ("short", "ended"))
    assert short == ended


@pytest.mark.parametrize("name", TRAINERS)
def test_a_run_of_some_minutes_is_the_run_of_as_many_steps(
    name: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    length, model = TRAINERS[name][2].removeprefix("--"), TRAINERS[name][3]
    learner = TRAINERS[name][1]
    monkeypatch.setattr(learner, "step", Clock(monkeypatch).slowed(learner.step, 0.02))
    assert train(name, data, tmp_path / "minutes", "100000 --minutes 0.02").exit_code == 0
    steps = read_json(tmp_path / "minutes" / "config.json")[length]
    assert steps == 49  # of .02 s each in .85 · 1.16 s, for two have measured
    assert train(name, data, tmp_path / "steps", str(steps)).exit_code == 0
    assert (tmp_path / "steps" / model).read_bytes() == (tmp_path / "minutes" / model).read_bytes()
    again = train(name, data, tmp_path / "minutes", "100000 --minutes 0.02")
    assert "already trained" in again.output
    longer = train(name, data, tmp_path / "minutes", f"{steps + 1}")  # without any
    assert longer.exit_code == 0 and f"Going on after step {steps} of {steps + 1}" in longer.output


def _values(run: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


def test_a_lengthened_run_that_is_stopped_is_not_finished(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    train("vae", data, run, "2")
    with monkeypatch.context() as patched:
        patched.setattr(VAELearner, "step", stop_at(4, signal.SIGTERM)(VAELearner.step))
        assert train("vae", data, run, "6").exit_code == 143
    assert not (run / "model.safetensors").exists()
    assert "Going on after step 4 of 6" in train("vae", data, run, "6").output
    assert_whole(run, "model.safetensors", 6)


def test_a_run_killed_while_it_ends_ends_when_it_is_given_again(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    with monkeypatch.context() as patched:
        patched.setattr(VAELearner, "save", lambda learner, path: 1 / 0)
        assert isinstance(train("vae", data, run, "3").exception, ZeroDivisionError)
    assert train("vae", data, run, "3").exit_code == 0
    assert_whole(run, "model.safetensors", 3)
    assert sum("train_elbo" in line for line in _values(run)) == 1


def test_what_differs_is_named_and_nothing_is_touched(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train("vae", data, run, "2")
    before = {path: path.read_bytes() for path in run.rglob("*.*")}
    error = train("vae", data, run, "4", f"{SELDOM} --beta 2 --seed 1").exception
    assert isinstance(error, BadInput) and "other options or data (beta, seed): give" in str(error)
    assert {path: path.read_bytes() for path in run.rglob("*.*")} == before


def test_the_best_of_a_lengthened_run_may_be_an_earlier_step(data: Path, tmp_path: Path) -> None:
    train("pca", data, tmp_path / "run", "4", OFTEN)
    train("pca", data, tmp_path / "run", "6 --export best", OFTEN)
    best = Checkpoints(tmp_path / "run" / "checkpoints").best()
    assert best and f"that of step {best.step}" in (tmp_path / "run" / "README.md").read_text()


def test_a_chart_of_nothing_is_an_empty_picture(tmp_path: Path) -> None:
    assert "</svg>" in save_chart({}, tmp_path / "chart.svg").read_text()


def test_too_few_steps_to_grow_in_are_of_the_full_size() -> None:
    assert [growth(step, 3, 64) for step in (1, 3)] == [Growth(4, 1.0)] * 2


# Trains a little, stops at a step, ends it: for every road, in one process, eagerly.
DCGAN = """
import json, signal, sys
from facebench_dcgan import gan
from facebench_dcgan.learner import DCGANLearner
from facebench_dcgan.train import command

gan.SETTLING_PASSES = 2
backend, data, out, flags, roads = sys.argv[1:]
if backend == "tensorflow":
    import tensorflow as tf
    tf.config.run_functions_eagerly(True)
step = DCGANLearner.step
for number, (begun, stop, then) in enumerate(json.loads(roads)):
    def stopping(self, now):
        if now == stop:
            signal.raise_signal(signal.SIGINT)
        return step(self, now)

    words = ["--data", data, "--out", f"{out}/{number}", "--backend", backend, *flags.split()]
    DCGANLearner.step = stopping
    try:
        command([*words, "--steps", str(begun)], standalone_mode=False)
    except SystemExit as end:
        assert end.code == 130, end.code
    DCGANLearner.step = step
    command([*words, "--steps", *then.split()], standalone_mode=False)
"""
DCGAN_ROADS = {
    name: (begun, stop, then) for name, (begun, stop, accident, then) in ROADS.items()
    if not accident
}  # fmt: skip
KINDS = {
    "tensorflow": ("tensorflow", "", ["ended where it stopped", "finished and lengthened"]),
    "torch": ("torch", "", list(DCGAN_ROADS)),
    "notebook": ("torch", "--preset notebook --batch-size 2 --width 2", list(DCGAN_ROADS)),
    "notebook on tensorflow": (
        *("tensorflow", "--preset notebook --batch-size 2 --width 2"),
        ["ended where it stopped", "ended before where it stopped"],
    ),
    "progressive": ("torch", "--progressive", ["ended where it stopped", "gone on"]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_road_of_a_dcgan_ends_with_all_that_a_run_has(
    kind: str, data: Path, tmp_path: Path, keras_process: Callable[..., list[str]]
) -> None:
    backend, flags, names = KINDS[kind]
    flags = f"{flags or '--width 4 --batch-size 4 --latent-dim 8'} {SELDOM}"
    flags = flags if "--progressive" not in KINDS[kind][1] else f"--width 4 --batch-size 4 {flags}"
    roads = json.dumps([DCGAN_ROADS[name] for name in names])
    keras_process(DCGAN, backend, data, tmp_path, flags, roads, backend=backend)
    for number, name in enumerate(names):
        run, steps = tmp_path / str(number), int(DCGAN_ROADS[name][2].split()[0])
        assert_whole(run, "generator.keras", steps)
        assert (run / "gan.h5").exists() == ("notebook" in kind)
