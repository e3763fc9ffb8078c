"""The loop, with a learner of one number: what all three trainers get from it."""

import json
import math
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jaxtyping import Float32
from PIL import Image
from pretended_clock import Clock

from facebench.data.dataset import Dataset
from facebench.errors import BadInput
from facebench.files import read_json, write_json
from facebench.sampler import Images, LatentSampler
from facebench.training.learner import State, generator, random_batch
from facebench.training.loop import fit
from facebench.training.options import Plan
from facebench.training.run import Run

PLAN = Plan(log_every=2, grid_every=4, checkpoint_every=3)


class Grey(LatentSampler):
    latent_dim = 2

    def __init__(self, level: float):
        self.level = level

    def decode(self, z: Float32[np.ndarray, "n d"]) -> Images:
        return np.full((len(z), 3, 32, 32), np.clip(self.level, 0, 255), np.uint8)


class Walker:
    """A number that walks at random from 0; `on_step` may do anything at a step."""

    images_per_step = 4
    control_scale = 1.0

    def __init__(self, steps: int = 10, on_step: Any = lambda walker, step: None):
        self.steps, self.on_step, self.place = steps, on_step, np.zeros(1)

    def step(self, number: int) -> dict[str, Any]:
        self.place = self.place + generator(7, number).random() * 20
        self.on_step(self, number)
        return {"loss": self.place[0]}

    def sampler(self) -> LatentSampler:
        return Grey(float(self.place[0]))

    def state(self) -> State:
        return {"place": self.place.copy()}

    def restore(self, state: State) -> None:
        self.place = state["place"]

    def save(self, path: Path) -> None:
        path.write_text(repr(float(self.place[0])))


@pytest.fixture
def dataset(tiny_dataset: Dataset) -> Dataset:
    return tiny_dataset.split("train")


def open_run(folder: Path, dataset: Dataset) -> Run:
    return Run(folder, "walker", "model.txt", dataset)


def losses(run: Run) -> list[tuple[float, float]]:
    return [(line["step"], line["loss"]) for line in run.history() if "loss" in line]


def stop_at(step: int) -> Any:
    return lambda walker, now: signal.raise_signal(signal.SIGINT) if now == step else None


def test_a_run_leaves_all_that_was_promised(
    tmp_path: Path, dataset: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    run = open_run(tmp_path / "run", dataset)
    fit(run, Walker(), PLAN)
    printed = capsys.readouterr().out
    for name in ("model.txt", "README.md", "losses.svg", "scores.svg", "metrics.jsonl"):
        assert (run.folder / name).is_file() and str(run.folder / name) in printed
    for name in ("final.png", "training.gif", "training.mp4"):
        assert (run.samples / name).is_file() and str(run.samples / name) in printed
    assert [path.name for path in sorted(run.samples.glob("step-*"))] == [
        "step-000004.png",
        "step-000008.png",
        "step-000010.png",
    ]
    assert [step for step, _ in losses(run)] == [2, 4, 6, 8, 10]
    assert [line["step"] for line in run.history() if "score" in line] == [3, 6, 9, 10]
    assert len(list(run.folder.glob("events.out.tfevents.*"))) == 1
    with Image.open(run.samples / "training.gif") as film:
        assert film.size == (192, 192) and film.n_frames == 3  # type: ignore[attr-defined]
    readme = (run.folder / "README.md").read_text()
    assert "16 images of 32×32, trained in" in readme
    assert "![training](samples/training.gif)" in readme


def test_only_the_newest_and_the_best_checkpoint_stay(tmp_path: Path, dataset: Dataset) -> None:
    run = open_run(tmp_path / "run", dataset)
    fit(run, Walker(steps=40), PLAN)
    scores = {line["step"]: line["score"] for line in run.history() if "score" in line}
    kept = run.checkpoints
    best = min(scores, key=lambda step: scores[step])
    assert 3 < best < 40  # grey like faces somewhere on the way from black to white
    assert [each.step for each in kept.all()] == [best, 40]
    assert scores[best] == min(each.score or 9 for each in kept.all())


@pytest.mark.parametrize("export", ["last", "best"])
def test_the_model_is_that_of_the_last_or_of_the_best_step(
    export: Any, tmp_path: Path, dataset: Dataset
) -> None:
    run = open_run(tmp_path / "run", dataset)
    fit(run, Walker(steps=40), Plan(2, 4, 3, export=export))
    kept = run.checkpoints
    chosen = kept.best() if export == "best" else kept.newest()
    assert chosen and float(run.model_path.read_text()) == chosen.read()["place"][0]
    assert f"that of step {chosen.step}" in (run.folder / "README.md").read_text()
    with Image.open(run.samples / "final.png") as final:
        assert final.getpixel((0, 0)) == (int(min(chosen.read()["place"][0], 255)),) * 3


def test_a_signal_has_its_own_exit_code(tmp_path: Path, dataset: Dataset) -> None:
    def terminate(walker: Walker, step: int) -> None:
        if step == 2:
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(SystemExit) as stopped:
        fit(open_run(tmp_path / "run", dataset), Walker(on_step=terminate), PLAN)
    assert stopped.value.code == 143


def test_ctrl_c_keeps_all_and_says_how_to_go_on(
    tmp_path: Path,
    dataset: Dataset,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = open_run(tmp_path / "whole", dataset)
    fit(whole, Walker(), PLAN)
    monkeypatch.setattr(sys, "argv", ["facebench", "train", "walker", "--out", "my run"])
    run = open_run(tmp_path / "run", dataset)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(SystemExit) as stopped:
        fit(run, Walker(on_step=stop_at(5)), PLAN)
    assert stopped.value.code == 130
    assert signal.getsignal(signal.SIGINT) is before
    said = capsys.readouterr().err
    assert "Stopped after step 5 of 10" in said
    assert "Go on with:  facebench train walker --out 'my run'" in said
    assert not open_run(tmp_path / "run", dataset).finished
    fit(run, Walker(), PLAN)
    assert "Going on after step 5 of 10" in capsys.readouterr().err
    assert losses(run) == losses(whole)
    assert run.model_path.read_text() == whole.model_path.read_text()


def test_a_run_killed_between_checkpoints_repeats_what_it_lost(
    tmp_path: Path, dataset: Dataset
) -> None:
    def die(walker: Walker, step: int) -> None:
        if step == 9:
            raise MemoryError

    whole, run = (open_run(tmp_path / name, dataset) for name in ("whole", "run"))
    fit(whole, Walker(), PLAN)
    with pytest.raises(MemoryError):
        fit(run, Walker(on_step=die), PLAN)
    assert losses(run)[-1][0] == 8
    fit(run, Walker(), PLAN)
    assert losses(run) == losses(whole)
    assert run.model_path.read_text() == whole.model_path.read_text()


def test_restart_begins_anew(tmp_path: Path, dataset: Dataset) -> None:
    run, seen = open_run(tmp_path / "run", dataset), []
    with pytest.raises(SystemExit):
        fit(run, Walker(on_step=stop_at(5)), PLAN)
    fit(run, Walker(on_step=lambda _, step: seen.append(step)), Plan(2, 4, 3, resume=False))
    assert seen == list(range(1, 11))
    assert [step for step, _ in losses(run)] == [2, 4, 6, 8, 10]


def test_checkpoints_are_kept_by_time_too(tmp_path: Path, dataset: Dataset) -> None:
    run = open_run(tmp_path / "run", dataset)
    with pytest.raises(SystemExit):
        fit(run, Walker(on_step=stop_at(5)), Plan(2, 4, 1000, checkpoint_minutes=1e-9))
    assert [line["step"] for line in run.history() if "score" in line] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("what", ["loss", "weights"])
def test_nan_stops_the_run_and_the_last_good_checkpoint_stays(
    what: str, tmp_path: Path, dataset: Dataset
) -> None:
    def spoil(walker: Walker, step: int) -> None:
        if step == 8 and what == "loss":
            walker.place = np.array([math.nan])

    class Spoilt(Walker):
        def state(self) -> State:
            bad = what == "weights" and self.place[0] > 45
            return {"place": np.array([math.nan])} if bad else super().state()

    run = open_run(tmp_path / "run", dataset)
    with pytest.raises(BadInput, match="no longer finite") as stopped:
        fit(run, Spoilt(on_step=spoil), PLAN)
    newest = run.checkpoints.newest()
    assert newest and str(newest.path) in str(stopped.value)
    assert np.isfinite(newest.read()["place"]).all()
    assert not run.model_path.exists()


def test_a_damaged_checkpoint_is_refused_by_name(tmp_path: Path, dataset: Dataset) -> None:
    run = open_run(tmp_path / "run", dataset)
    with pytest.raises(SystemExit):
        fit(run, Walker(on_step=stop_at(5)), PLAN)
    newest = run.checkpoints.newest()
    assert newest
    newest.path.write_bytes(newest.path.read_bytes()[:20])
    with pytest.raises(BadInput, match=r"step-000005\.safetensors is not a checkpoint"):
        fit(run, Walker(), PLAN)


def test_losses_are_handed_to_who_asks(tmp_path: Path, dataset: Dataset) -> None:
    told: list[tuple[int, float]] = []
    run = open_run(tmp_path / "run", dataset)
    fit(run, Walker(), PLAN, after_log=lambda step, values, _: told.append((step, values["loss"])))
    assert told == losses(run)


def test_losses_are_asked_for_only_where_they_are_written(tmp_path: Path, dataset: Dataset) -> None:
    asked: list[int] = []

    class Loss:
        def __init__(self, step: int):
            self.step = step

        def __float__(self) -> float:
            asked.append(self.step)
            return 1.0

    class Lazy(Walker):
        def step(self, number: int) -> dict[str, Any]:
            super().step(number)
            return {"loss": Loss(number)}

    fit(open_run(tmp_path / "run", dataset), Lazy(), PLAN)  # a GPU is waited for, for each of them
    assert sorted({*asked}) == [2, 3, 4, 6, 8, 9, 10]


def test_batches_repeat_with_seed_and_step_and_mirror_half_of_the_images() -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 3, 2, 2), dtype=np.uint8)
    known = {image.tobytes(): False for image in images}
    known |= {image[..., ::-1].tobytes(): True for image in images}
    batch = random_batch(images, 400, generator(1, 2))
    assert 140 < sum(known[image.tobytes()] for image in batch) < 260
    np.testing.assert_array_equal(batch, random_batch(images, 400, generator(1, 2)))
    assert (batch != random_batch(images, 400, generator(1, 3))).any()
    assert (batch != random_batch(images, 400, generator(2, 2))).any()


def test_a_log_is_json_throughout(tmp_path: Path, dataset: Dataset) -> None:
    run = open_run(tmp_path / "run", dataset)
    fit(run, Walker(), PLAN)
    for line in run.metrics_path.read_text().splitlines():
        assert json.loads(line)["step"] > 0


def limited(folder: Path, dataset: Dataset, seconds: float, steps: int = 10_000) -> Run:
    return Run(folder, "walker", "model.txt", dataset, minutes=seconds / 60, steps=steps)


def last_step(run: Run) -> int:
    return max(line["step"] for line in run.history())


SELDOM = Plan(log_every=10_000, grid_every=10_000, checkpoint_every=10_000)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_a_run_of_some_minutes_has_as_many_steps_as_fit_and_is_that_run(
    tmp_path: Path, dataset: Dataset, clock: Clock
) -> None:
    run = limited(tmp_path / "run", dataset, 4.0)
    started = clock.now
    fit(run, Walker(10_000, lambda walker, step: clock.pass_by(0.01)), SELDOM)
    steps = run.config["steps"]
    assert 100 < steps <= 360 and last_step(run) == steps
    assert clock.now - started > 0.01 * steps
    same = open_run(tmp_path / "same", dataset)
    fit(same, Walker(steps), SELDOM)
    assert losses(same) == losses(run)  # the steps that measured are taken back
    again = limited(tmp_path / "run", dataset, 4.0)
    assert again.finished and again.config["steps"] == steps


def test_a_run_is_no_shorter_where_the_machine_was_busy_while_steps_were_measured(
    tmp_path: Path, dataset: Dataset, clock: Clock
) -> None:
    taken = {"steps": 0}

    def slower_at_first(walker: Walker, step: int) -> None:
        taken["steps"] += 1
        clock.pass_by(0.04 if taken["steps"] < 12 else 0.01)

    run = limited(tmp_path / "run", dataset, 60.0)
    fit(run, Walker(10_000, slower_at_first), SELDOM)
    assert 0.8 * 60 / 0.01 < last_step(run) < 0.85 * 60 / 0.01


def test_where_there_is_time_for_more_the_steps_asked_for_are_taken(
    tmp_path: Path, dataset: Dataset, clock: Clock
) -> None:
    run = limited(tmp_path / "run", dataset, 600, steps=10)
    fit(run, Walker(), SELDOM)
    assert last_step(run) == run.config["steps"] == 10


def test_steps_that_turn_out_slower_end_when_the_time_is_up(
    tmp_path: Path, dataset: Dataset, clock: Clock
) -> None:
    slow = {"steps": 0}

    def slower(walker: Walker, step: int) -> None:
        slow["steps"] += 1
        clock.pass_by(0.2 if slow["steps"] > 20 else 0.01)

    run = limited(tmp_path / "run", dataset, 3.0)
    fit(run, Walker(10_000, slower), SELDOM)
    assert 12 < last_step(run) < 40
    assert read_json(run.config_path)["steps"] == run.config["steps"] == last_step(run)
    assert limited(tmp_path / "run", dataset, 3.0).finished


def test_a_stopped_run_of_some_minutes_has_what_is_left_of_them(
    tmp_path: Path, dataset: Dataset, clock: Clock
) -> None:
    def sleepy(walker: Walker, step: int) -> None:
        clock.pass_by(0.01)
        if step == 50:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(SystemExit):
        fit(limited(tmp_path / "run", dataset, 3.0), Walker(10_000, sleepy), SELDOM)
    run = limited(tmp_path / "run", dataset, 3.0)
    steps = run.config["steps"]
    assert 60 < steps < 10_000 and run.is_settled and not run.finished
    fit(run, Walker(steps), SELDOM)
    assert last_step(run) == steps
    longer = limited(tmp_path / "run", dataset, 6.0)
    assert longer.resized and not longer.is_settled
    fit(longer, Walker(10_000, lambda walker, step: clock.pass_by(0.01)), SELDOM)
    assert last_step(longer) > steps
    capped = limited(tmp_path / "run", dataset, 6.0, steps=20)
    assert capped.resized and not capped.is_settled


def test_a_run_of_fewer_minutes_takes_up_no_longer_one(
    tmp_path: Path, dataset: Dataset, clock: Clock
) -> None:
    for seconds in (3.0, 1.0):
        run = limited(tmp_path / "run", dataset, seconds)
        fit(run, Walker(10_000, lambda walker, step: clock.pass_by(0.01)), SELDOM)
    assert last_step(run) == run.config["steps"] < 100
    assert [each.step for each in run.checkpoints.all()] == [last_step(run)]


def test_a_first_step_that_compiles_does_not_make_a_short_run(
    tmp_path: Path, dataset: Dataset, clock: Clock
) -> None:
    seen: list[int] = []

    def compiling(walker: Walker, step: int) -> None:
        clock.pass_by(0.005 if seen else 1.2)
        seen.append(step)

    run = limited(tmp_path / "run", dataset, 6.0)
    fit(run, Walker(10_000, compiling), SELDOM)
    assert last_step(run) > 100


def test_beginning_anew_measures_anew(tmp_path: Path, dataset: Dataset, clock: Clock) -> None:
    run = limited(tmp_path / "run", dataset, 2.0)
    fit(run, Walker(10_000, lambda walker, step: clock.pass_by(0.05)), SELDOM)
    few = last_step(run)
    again = limited(tmp_path / "run", dataset, 2.0)
    quick = Walker(again.config["steps"], lambda walker, step: clock.pass_by(0.005))
    fit(again, quick, Plan(10_000, 10_000, 10_000, resume=False))
    assert last_step(again) > 2 * few


@pytest.mark.parametrize("damage", [None, "many", 0, 2.5])
def test_a_damaged_number_of_steps_is_measured_again(
    damage: object, tmp_path: Path, dataset: Dataset
) -> None:
    run = limited(tmp_path / "run", dataset, 60, steps=10)
    write_json(run.config_path, run.config | {"steps": damage})
    assert not limited(tmp_path / "run", dataset, 60, steps=10).is_settled


def test_a_run_whose_time_was_up_when_it_stopped_ends_where_it_is(
    tmp_path: Path, dataset: Dataset, clock: Clock
) -> None:
    def stopped(walker: Walker, step: int) -> None:
        clock.pass_by(0.01)
        if step == 50:
            clock.pass_by(2.5)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(SystemExit):
        fit(limited(tmp_path / "run", dataset, 3.0), Walker(10_000, stopped), SELDOM)
    run = limited(tmp_path / "run", dataset, 3.0)
    run.minutes = 1.0 / 60  # as if more than three seconds had been taken
    fit(run, Walker(run.config["steps"]), SELDOM)
    assert last_step(run) == run.config["steps"] == 50 and run.model_path.exists()
