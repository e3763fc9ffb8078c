"""A run's checkpoints as rows of a board: how they are named, what they draw, what is refused."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors import safe_open
from safetensors.numpy import save_file

import facebench
from facebench.cli import cli
from facebench.data.prepare import synthesize
from facebench.errors import BadInput
from facebench.plugins.model_spec import Model, parse_model, parse_models, parse_named
from facebench.results.result import read_results
from facebench_flow.train import command as flow
from facebench_pca.train import command as pca
from facebench_vae.train import command as vae

pytestmark = pytest.mark.usefixtures("narrow_flow")
SEEDS = range(40)
OFTEN = "--log-every 1 --grid-every 2 --checkpoint-every 2 --seed 3"
NETWORK = "--steps 5 --batch-size 8 --width 4 --latent-dim 8"
TRAINERS = {
    "vae": (vae, f"{NETWORK} --device cpu"),
    "fitted": (vae, f"{NETWORK} --prior fitted --device cpu"),
    "pca": (pca, "--components 4 --solver randomized --passes 5"),
    "flow": (flow, "--steps 5 --batch-size 4 --solver-steps 2 --device cpu"),
}


def train(name: str, out: Path, more: str = "--keep-checkpoints all") -> Path:
    """Train in the current folder, where faces16 lies; return the run."""
    command, words = TRAINERS[name]
    said = CliRunner().invoke(
        command, ["--data", "faces16", "--out", str(out), *f"{words} {OFTEN} {more}".split()]
    )
    assert said.exit_code == 0, said.output
    return out


@pytest.fixture(scope="module")
def made(narrow_flow: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with a data set and a run of each kind, which keep every checkpoint."""
    folder = tmp_path_factory.mktemp("made")
    synthesize(folder / "faces16", num=40, size=16, holdout=10)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in TRAINERS:
            train(name, Path("runs", name))
    return folder


@pytest.fixture
def place(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a copy of it."""
    shutil.copytree(made, tmp_path / "place")
    monkeypatch.chdir(tmp_path / "place")
    return tmp_path / "place"


def file_of(run: str, step: int) -> Path:
    return Path(run, "checkpoints", f"step-{step:06d}.safetensors")


def drawn(text: str) -> np.ndarray:
    return parse_model(text).open().sample(SEEDS)


@pytest.mark.parametrize("bare", ["vae", "runs/vae"])
def test_all_checkpoints_are_rows_in_the_order_of_their_steps(place: Path, bare: str) -> None:
    expected = [Model(f"vae-00000{step}", "vae", file_of("runs/vae", step)) for step in (2, 4, 5)]
    assert parse_models(f"{bare}@*") == expected
    assert parse_models(f"pca@5, {bare}@* ,fitted")[1:4] == expected
    assert parse_models(f"{bare}@4") == expected[1:2]


def test_checkpoints_may_have_names_of_their_own(place: Path) -> None:
    four = file_of("runs/vae", 4)
    assert parse_models("early=runs/vae@4") == [Model("early", "vae", four)]
    assert parse_named("early", "runs/vae@4") == Model("early", "vae", four)
    assert [each.name for each in parse_models("x=runs/pca@*")] == [
        *(f"x-00000{step}" for step in (2, 4, 5))
    ]
    (given,) = parse_models("x=vae+data=faces16:runs/fitted@4")
    assert given == Model("x", "vae", file_of("runs/fitted", 4), {"data": "faces16"})
    assert parse_models(f"x=vae:{four}") == [Model("x", "vae", four)]


def test_a_path_that_is_there_is_meant_before_a_checkpoint(place: Path) -> None:
    shutil.copytree("runs/vae", "runs/vae@4")
    shutil.copytree("runs/vae", "runs/a,b")
    assert parse_models("x=runs/vae@4") == [Model("x", "vae", Path("runs/vae@4"))]
    assert parse_models("x=runs/a,b@4,pca")[0].path == file_of("runs/a,b", 4)
    assert len(parse_models("x=runs/a,b@*,y=runs/vae@5")) == 4


def test_more_than_a_million_steps_stay_in_order(place: Path) -> None:
    file_of("runs/vae", 4).rename("runs/vae/checkpoints/step-1000000.safetensors")
    names = [model.name for model in parse_models("runs/vae@*")]
    assert names == ["vae-000002", "vae-000005", "vae-1000000"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("vae@3", r"runs/vae has no checkpoint of step 3, only of steps 2, 4, 5; with --keep-che"),
        ("nowhere@3", "no model 'nowhere' at runs/nowhere: give nowhere=PATH"),
        ("runs/nowhere@*", "no model 'nowhere' at runs/nowhere: check the path.$"),
        ("faces16@*", "faces16 is not a run"),
        ("x=images:faces16@3", "faces16 keeps no checkpoints: give the path of a run"),
        ("x=torch:mod:net@3", "no model 'x' at 3: check the path"),
        ("vae@" + "9" * 5000, "cannot name a model"),
        ("@*", r"'@\*' cannot name a model"),
        ("x=@3", "x"),
    ],
)
def test_what_names_no_checkpoint_is_one_sentence(text: str, why: str, place: Path) -> None:
    with pytest.raises(BadInput, match=why):
        parse_models(text)


def test_all_where_one_is_meant_is_refused(place: Path) -> None:
    with pytest.raises(BadInput, match=r"runs/vae@\* is 3 models, where 'x' can be one"):
        facebench.evaluate({"x": "runs/vae@*"}, "faces16")
    with pytest.raises(BadInput, match=r"'runs/vae@\*' names 3 models"):
        parse_model("runs/vae@*")


def test_a_run_that_keeps_one_alone_says_how_to_keep_all(place: Path) -> None:
    for step in (2, 4):
        file_of("runs/vae", step).unlink()
    with pytest.raises(
        BadInput, match=r"one checkpoint only, of step 5: name it runs/vae@5; with --keep-check"
    ):
        parse_models("vae@*")
    assert parse_models("vae@5")


def test_by_default_the_newest_and_the_best_stay_and_options_do_not_tell_runs_apart(
    place: Path,
) -> None:
    run = train("vae", Path("runs/few"), "")
    assert len([*run.glob("checkpoints/*")]) <= 2
    config = json.loads((run / "config.json").read_text())
    assert config == json.loads(Path("runs/vae/config.json").read_text())
    assert "keep" not in "".join(config)


def exported(name: str, step: int, how: str) -> np.ndarray:
    """Return the images of the model that a run exports of `step`, its best one or its last."""
    run = Path("runs", name)
    if how == "best":
        scored_as(file_of(str(run), step), 0.0)
        for model in (*run.glob("model.*"),):
            model.unlink()
        train(name, run, "--keep-checkpoints all --export best")
        assert f"that of step {step}" in (run / "README.md").read_text()
    return drawn(f"x={run}")


def scored_as(file: Path, score: float) -> None:
    with safe_open(file, "numpy") as kept:
        about = kept.metadata()
        arrays = {name: kept.get_tensor(name) for name in kept.keys()}
    save_file(arrays, file, about | {"score": repr(score)})


@pytest.mark.parametrize(("step", "how"), [(4, "best"), (5, "last")])
@pytest.mark.parametrize("name", [*TRAINERS])
def test_a_checkpoint_draws_what_the_model_exported_of_its_step_draws(
    name: str, step: int, how: str, place: Path
) -> None:
    text = f"x=vae+data=faces16:runs/{name}@" if name == "fitted" else f"runs/{name}@"
    images = drawn(f"{text}{step}")
    np.testing.assert_array_equal(images, exported(name, step, how))
    assert (images != drawn(f"{text}2")).any()


def test_a_fitted_prior_needs_the_runs_own_data(place: Path) -> None:
    with pytest.raises(BadInput, match=r"has no prior yet.*as in NAME=vae\+data=DIR:RUN@STEP"):
        drawn("runs/fitted@4")
    synthesize(place / "others16", num=40, size=16, holdout=10, seed=100)
    with pytest.raises(
        BadInput, match=r"others16 is not the data set that .*config\.json is about"
    ):
        drawn("x=vae+data=others16:runs/fitted@4")
    with pytest.raises(BadInput, match="needs no data"):
        drawn("x=vae+data=faces16:runs/fitted")


def truncated(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def pickled(file: Path) -> None:
    file.write_bytes(pickle.dumps({"average/decoder": print}))


def lying(file: Path) -> None:
    file.write_bytes((1 << 60).to_bytes(8, "little") + b"{}")


def without_header(file: Path) -> None:
    save_file({"place": np.zeros(1)}, file)


def empty(file: Path) -> None:
    file.write_bytes(b"")


@pytest.mark.parametrize("name", ["vae", "pca", "flow"])
@pytest.mark.parametrize("damage", [truncated, pickled, lying, without_header, empty])
def test_a_damaged_checkpoint_is_one_sentence(
    damage: Callable[[Path], None], name: str, place: Path
) -> None:
    damage(file_of(f"runs/{name}", 4))
    with pytest.raises(BadInput, match=r"step-000004\.safetensors is not a checkpoint, or damaged"):
        drawn(f"runs/{name}@4")


@pytest.mark.parametrize(
    ("name", "changed", "why"),
    [
        ("vae", {"width": 5}, "are not of one run, or damaged"),
        ("vae", {"width": "wide"}, "are not of one run, or damaged"),
        ("vae", {"prior": None}, "r"),
        ("flow", {"network": "huge"}, "are not of one run, or damaged"),
        ("flow", {"solver_steps": 0}, "are not of one run, or damaged .*solver"),
        ("pca", {"size": 8}, "are not of one run, or damaged .*pixels"),
        ("pca", {"adapter": "vae"}, "is of a run of 'vae', which 'pca' cannot open"),
    ],
)
def test_a_checkpoint_of_another_run_is_one_sentence(
    name: str, changed: dict[str, object], why: str, place: Path
) -> None:
    model = parse_model(f"runs/{name}@4")
    config = Path(f"runs/{name}/config.json")
    config.write_text(json.dumps(json.loads(config.read_text()) | changed))
    if why == "r":
        assert model.open().sample([1]).shape == (1, 3, 16, 16)
        return
    with pytest.raises(BadInput, match=why):
        model.open()


def test_a_checkpoint_that_left_its_run_is_one_sentence(place: Path) -> None:
    shutil.copy(file_of("runs/vae", 4), "step-000004.safetensors")
    with pytest.raises(BadInput, match="is not in a run's folder"):
        drawn("x=vae:step-000004.safetensors")


@pytest.mark.processes
def test_checkpoints_stand_on_one_board(place: Path) -> None:
    models = "vae@*,x=vae+data=faces16:runs/fitted@4,pca@5,broken=runs/pca@2"
    truncated(file_of("runs/pca", 2))
    words = ["--reference", "faces16", "--extractor", "random", "--metrics", "fid,kid"]
    said = CliRunner().invoke(cli, ["eval", "--models", models, *words, "--num", "10"])
    assert said.exit_code == 2, said.output  # for the broken one
    assert "step-000002.safetensors is not a checkpoint, or damaged: remove it" in said.output
    found = {result.model: result for result in read_results(Path("results"))}
    assert found.keys() == {"vae-000002", "vae-000004", "vae-000005", "x", "pca-000005"}
    assert len({result.model_digest for result in found.values()}) == 5
    assert all(np.isfinite(each.metrics["fd_random"].value) for each in found.values())
    page = Path("results/leaderboard.html").read_text()
    assert all(name in page for name in found)
    alone = CliRunner().invoke(cli, ["sample", "vae@4", "--out", "faces.png", "--seeds", "0-3"])
    assert alone.exit_code == 0, alone.output


@pytest.mark.processes
def test_a_run_that_goes_on_leaves_its_checkpoints_what_they_were(place: Path) -> None:
    words = ["--reference", "faces16", "--extractor", "random", "--metrics", "fid", "--num", "10"]
    before = [parse_model("vae@4").digest()]
    assert CliRunner().invoke(cli, ["eval", "--models", "vae@4", *words]).exit_code == 0
    train("vae", Path("runs/more"))
    file_of("runs/vae", 5).unlink()  # whatever else happens in the folder
    Path("runs/vae/metrics.jsonl").write_text("")
    assert [parse_model("vae@4").digest()] == before
    kept = [*Path().rglob("features")]
    assert CliRunner().invoke(cli, ["eval", "--models", "vae@4", *words]).exit_code == 0
    assert [*Path().rglob("features")] == kept
