import json
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from facebench.data.dataset import Dataset
from facebench.data.grid import grid
from facebench.data.prepare import synthesize
from facebench.errors import BadInput
from facebench.training.data import train_images
from facebench.training.options import Plan, plan_options, trainer_options
from facebench.training.run import Run


def open_run(folder: Path, dataset: Dataset, seed: int = 0) -> Run:
    return Run(folder, "pca", "model.npz", dataset, seed=seed)


def test_a_run_says_what_made_it(tmp_path: Path, tiny_dataset: Dataset) -> None:
    run = open_run(tmp_path / "runs" / "a", tiny_dataset)
    config = json.loads((run.folder / "config.json").read_text())
    expected = {"adapter": "pca", "data": f"{tiny_dataset.digest}[0:24]", "size": 32, "seed": 0}
    assert config.items() >= expected.items()
    assert run.model_path == run.folder / "model.npz"
    assert not run.finished


def test_a_finished_run_is_not_trained_again(tmp_path: Path, tiny_dataset: Dataset) -> None:
    first = open_run(tmp_path / "run", tiny_dataset)
    first.log(1, loss=2.5)
    first.model_path.write_bytes(b"model")
    again = open_run(tmp_path / "run", tiny_dataset)
    assert again.finished
    assert (tmp_path / "run" / "metrics.jsonl").read_text().count("loss") == 1


@pytest.mark.parametrize(
    "name", ["samples/drums.wav", "checkpoints/notes.txt", "model.x", "README.md", "dataset.json"]
)
def test_a_folder_of_something_else_is_left_as_it_is(
    name: str, tmp_path: Path, tiny_dataset: Dataset
) -> None:
    mine = tmp_path / "mine" / name
    mine.parent.mkdir(parents=True)
    mine.write_text("precious")
    with pytest.raises(BadInput, match=r"holds other things than a run .*: give --out a new or an"):
        open_run(tmp_path / "mine", tiny_dataset)
    assert mine.read_text() == "precious"
    assert not (tmp_path / "mine" / "config.json").exists()


def test_a_folder_with_hidden_files_is_empty(tmp_path: Path, tiny_dataset: Dataset) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".DS_Store").write_text("")
    run = open_run(tmp_path / "run", tiny_dataset)
    (run.samples).mkdir()
    (run.samples / "step-final.png").write_text("")
    assert run.grids() == []


def test_a_configuration_of_another_tool_is_no_run(tmp_path: Path, tiny_dataset: Dataset) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text('{"hidden_size": 4}')
    with pytest.raises(BadInput, match="does not describe a run: give another"):
        open_run(tmp_path / "run", tiny_dataset)


def test_other_options_are_refused(tmp_path: Path, tiny_dataset: Dataset) -> None:
    run = open_run(tmp_path / "run", tiny_dataset)
    before = (run.folder / "config.json").read_text()
    with pytest.raises(BadInput, match=r"run holds a run with other options.*--out"):
        open_run(tmp_path / "run", tiny_dataset, seed=1)
    assert (run.folder / "config.json").read_text() == before


def test_other_data_is_refused(tmp_path: Path, tiny_dataset: Dataset) -> None:
    open_run(tmp_path / "run", tiny_dataset)
    other = synthesize(tmp_path / "other", num=4, size=32, seed=90)
    with pytest.raises(BadInput, match="other options or data"):
        open_run(tmp_path / "run", other)


def test_every_logged_step_is_a_line(tmp_path: Path, tiny_dataset: Dataset) -> None:
    run = open_run(tmp_path / "run", tiny_dataset)
    run.log(1, loss=2.5)
    run.log(2, loss=1.5, other=0.0)
    lines = (run.folder / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"step": 1, "loss": 2.5},
        {"step": 2, "loss": 1.5, "other": 0.0},
    ]


def test_grids_are_pictures_of_the_samples(tmp_path: Path, tiny_dataset: Dataset) -> None:
    images = tiny_dataset.sample(range(5))
    path = open_run(tmp_path / "run", tiny_dataset).save_grid("step_1", images)
    assert path == tmp_path / "run" / "samples" / "step_1.png"
    with Image.open(path) as saved:
        sheet = np.asarray(saved).transpose(2, 0, 1)
    assert sheet.shape == (3, 64, 96)
    np.testing.assert_array_equal(sheet[:, :32, 64:], images[2])
    np.testing.assert_array_equal(sheet[:, 32:, 32:64], images[4])
    assert (sheet[:, 32:, 64:] == 255).all()


def test_a_grid_may_have_its_columns_chosen() -> None:
    assert grid(np.zeros((6, 3, 4, 8), np.uint8), columns=6).size == (48, 4)


def test_training_never_sees_the_holdout(tiny_folder: Path, tiny_dataset: Dataset) -> None:
    data = train_images(tiny_folder)
    assert data.part == "train"
    np.testing.assert_array_equal(data.images, tiny_dataset.images[:16])


def test_one_image_is_too_few_to_train_on(tmp_path: Path) -> None:
    synthesize(tmp_path / "one", num=3, size=8, holdout=2)
    with pytest.raises(BadInput, match="has 1 training images"):
        train_images(tmp_path / "one")


def test_every_trainer_has_the_same_options() -> None:
    @click.command()
    @trainer_options
    def train(data: Path, out: Path, seed: int) -> None:
        click.echo(f"{data.name} {out.name} {seed}")

    answer = CliRunner().invoke(train, ["--data", "in/faces", "--out", "runs/a"])
    assert answer.output == "faces a 0\n"
    assert "--data" in CliRunner().invoke(train, ["--out", "runs/a"]).output


def test_every_trainer_has_the_same_plan_with_defaults_of_its_own() -> None:
    plans: list[Plan] = []

    @click.command()
    @plan_options("passes", grid_every=3)
    def train(plan: Plan) -> None:
        plans.append(plan)

    words = ["--log-every=1", "--checkpoint-every=2", "--checkpoint-minutes=4", "--export=best"]
    CliRunner().invoke(train, [])
    words += ["--keep-checkpoints=all"]
    CliRunner().invoke(train, [*words, "--grid-every=5", "--restart"])
    assert plans == [Plan(grid_every=3), Plan(1, 5, 2, 4.0, False, "best", "all")]
    assert "so many passes" in " ".join(CliRunner().invoke(train, ["--help"]).output.split())


def test_what_was_logged_after_a_step_is_forgotten(tmp_path: Path, tiny_dataset: Dataset) -> None:
    run = open_run(tmp_path / "run", tiny_dataset)
    for step in (1, 2, 3):
        run.log(step, loss=1.0)
        run.save_grid(f"step-{step:06d}", tiny_dataset.sample([0]))
    with run.metrics_path.open("a") as stream:
        stream.write('{"step": 4, "lo')  # a crash
    run.rewind(2)
    assert [line["step"] for line in run.history()] == [1, 2]
    assert len(list(run.samples.iterdir())) == 2


def test_grids_may_have_gaps() -> None:
    images = np.zeros((4, 3, 4, 4), np.uint8)
    sheet = np.asarray(grid(images, gap=2))
    assert sheet.shape == (10, 10, 3)
    assert (sheet[4:6] == 255).all() and (sheet[:4, :4] == 0).all()
