import json
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from facebench.data.dataset import Dataset, open_dataset
from facebench.data.prepare import synthesize
from facebench.engine import evaluate
from facebench.engine.chosen_images import NEIGHBOURS, SHOWN, SUSPECTS
from facebench.engine.phase_costs import Meter
from facebench.engine.training_curves import POINTS, SERIES, training_curves
from facebench.errors import BadInput
from facebench.features.random import RandomFeatures
from facebench.plugins.registry import load
from facebench.results.result import read_history, read_result
from facebench.results.visuals import Visuals, read_visuals, visuals_folder
from facebench.sampler import latents
from facebench.samplers.latent_visuals import COLUMNS, REACH, TOTAL, LatentVisuals
from facebench_pca import PCASampler
from facebench_pca.train import command as train_pca

FORGETFUL = """
import numpy as np

class Sampler:
    def __init__(self, path):
        log = path.with_suffix(".log")
        self.opened = log.exists()
        log.touch()

    def sample(self, seeds):
        if self.opened: raise RuntimeError("not twice")
        return np.stack([np.full((3, 32, 32), 5 * seed, np.uint8) for seed in seeds])
"""


def train(data: Path, run: Path, components: int = 8) -> Path:
    words = ["--data", str(data), "--out", str(run), "--components", str(components)]
    assert CliRunner().invoke(train_pca, words).exit_code == 0
    return run


@pytest.fixture(scope="module")
def run(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = train(tiny_folder, tmp_path_factory.mktemp("runs") / "pca")
    lines = [json.dumps({"step": step, "loss": 1 / (1 + step)}) for step in range(3)]
    (folder / "metrics.jsonl").write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="module")
def out(run: Path, tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the results of a model, and of a copycat of its training images."""
    folder = tmp_path_factory.mktemp("results")
    evaluate(f"pca={run}", tiny_folder, extractor="random", sanity=True, out=folder)
    return folder


def features(images: np.ndarray) -> np.ndarray:
    return RandomFeatures("cpu").extract(images, 64)["features"].astype(np.float64)


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.linalg.norm(features(a)[:, None] - features(b), axis=2)


def numbers(labels: tuple[str, ...]) -> list[int]:
    return [int(label.rpartition(" ")[2]) for label in labels]


def cells(folder: Path, name: str, columns: int) -> np.ndarray:
    picture = np.asarray(Image.open(folder / f"{name}.png")).transpose(2, 0, 1)
    rows = picture.shape[1] // 32
    parts = picture.reshape(3, rows, 32, columns, 32)
    return parts.transpose(1, 3, 0, 2, 4)


@pytest.mark.processes
def test_galleries_show_the_nearest_the_farthest_and_what_is_covered_worst(
    out: Path, run: Path, tiny_dataset: Dataset
) -> None:
    folder = visuals_folder(out, "pca")
    galleries = read_visuals(folder).galleries
    samples, real = load("pca", run).sample(range(8)), tiny_dataset.split("holdout").images
    apart = distances(samples, np.asarray(real))
    order = np.argsort(apart.min(1))
    assert numbers(galleries["nearest"].labels) == order[:SHOWN].tolist()
    assert numbers(galleries["farthest"].labels) == order[::-1][:SHOWN].tolist()
    assert galleries["nearest"].distances == pytest.approx(np.sort(apart.min(1)), rel=1e-3)
    worst = np.argsort(-apart.min(0))
    assert numbers(galleries["uncovered"].labels) == (16 + worst).tolist()
    assert (cells(folder, "nearest", 8)[0] == samples[order]).all()
    assert (cells(folder, "uncovered", 8)[0] == np.asarray(real)[worst]).all()


@pytest.mark.processes
def test_a_copycats_samples_stand_beside_the_images_they_copy(out: Path) -> None:
    folder = visuals_folder(out, "sanity-copycat")
    copies = read_visuals(folder).galleries["copies"]
    assert copies.distances == (0.0,) * SUSPECTS
    shown = cells(folder, "copies", 1 + NEIGHBOURS)
    assert (shown[:, 0] == shown[:, 1]).all() and not (shown[:, 0] == shown[:, 2]).all()


@pytest.mark.processes
def test_suspects_are_those_nearer_to_training_images_than_these_are_to_others(
    out: Path, run: Path, tiny_dataset: Dataset
) -> None:
    copies = read_visuals(visuals_folder(out, "pca")).galleries["copies"]
    training = np.asarray(tiny_dataset.split("train").images)
    apart = distances(load("pca", run).sample(range(8)), training)
    among = distances(training, training) + np.diag(np.full(len(training), np.inf))
    ratios = apart.min(1) / among.min(1)[apart.argmin(1)]
    assert numbers(copies.labels) == np.argsort(ratios)[:SUSPECTS].tolist()
    assert copies.distances == pytest.approx(np.sort(ratios)[:SUSPECTS], rel=1e-3)


@pytest.mark.processes
def test_galleries_lead_from_seed_to_seed_and_along_one_latent(out: Path, run: Path) -> None:
    folder, model = visuals_folder(out, "pca"), PCASampler(run)
    found = read_visuals(folder).galleries
    assert found["interpolation"].labels == ("seeds 0 to 1", "seeds 2 to 3", "seeds 4 to 5")
    between = cells(folder, "interpolation", COLUMNS)
    ends = between[:, [0, -1]].reshape(-1, 3, 32, 32).astype(int)
    assert np.abs(ends - model.sample(range(6))).max() <= 1  # the way there rounds differently
    along = cells(folder, "traversal", COLUMNS)
    z = np.repeat(latents([0], 8), 2, axis=0)
    z[:, 1] = -REACH, REACH
    assert np.abs(along[1][[0, -1]].astype(int) - model.decode(z)).max() <= 1
    assert "traversal" not in read_visuals(visuals_folder(out, "sanity-blur")).galleries


@pytest.mark.processes
def test_real_images_stand_above_what_the_model_makes_of_them(
    out: Path, run: Path, tiny_dataset: Dataset
) -> None:
    shown = cells(visuals_folder(out, "pca"), "reconstructions", SHOWN)
    real, model = np.asarray(tiny_dataset.split("holdout").images), PCASampler(run)
    assert (shown[0] == real).all()
    assert (shown[1] == model.decode(model.encode(real))).all()
    errors = [np.abs(shown[1] - each.astype(int)).mean() for each in (real, real[::-1])]
    assert errors[0] < errors[1]
    assert "reconstructions" not in read_visuals(visuals_folder(out, "sanity-blur")).galleries


def test_what_does_not_encode_images_of_that_size_has_no_reconstructions(
    run: Path, tmp_path: Path
) -> None:
    synthesize(tmp_path / "small", num=8, size=16, holdout=0)
    with pytest.raises(BadInput, match="encodes 32 pixels a side, not 16"):
        LatentVisuals(run, data=str(tmp_path / "small")).sample([TOTAL])
    with pytest.raises(BadInput, match="not a prepared data set"):
        LatentVisuals(run).sample([TOTAL])


def test_what_is_no_latent_sampler_has_no_galleries(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"adapter": "images"}')
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(BadInput, match="no latent space"):
        LatentVisuals(tmp_path)


@pytest.mark.processes
def test_the_plane_is_that_of_the_real_images_largest_variance(
    out: Path, tiny_dataset: Dataset
) -> None:
    plane = read_visuals(visuals_folder(out, "pca")).plane
    assert plane is not None
    real = features(np.asarray(tiny_dataset.split("holdout").images))
    centred = real - real.mean(0)
    _, scales, axes = np.linalg.svd(centred, full_matrices=False)
    assert plane.explained == pytest.approx((scales**2 / (scales**2).sum())[:2], rel=1e-3)
    expected = np.abs(centred @ axes[:2].T)
    assert np.abs(plane.real) == pytest.approx(expected, rel=1e-2, abs=1e-2)
    assert len(plane.model) == 8


@pytest.mark.processes
def test_no_score_depends_on_what_is_shown_and_both_are_the_same_again(
    out: Path, run: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    bare = evaluate(f"pca={run}", tiny_folder, extractor="random", sanity=True)
    assert read_result(out / "pca.json").metrics == bare.results[0].metrics
    evaluate(f"pca={run}", tiny_folder, extractor="random", sanity=True, out=tmp_path)
    written = sorted(p.relative_to(out) for p in (out / "exhibits").rglob("*.*"))
    assert len(written) == 7 * 5 + 3
    assert all((tmp_path / path).read_bytes() == (out / path).read_bytes() for path in written)


@pytest.mark.processes
def test_nothing_is_drawn_again_while_it_is_the_same(
    run: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    def written() -> dict[str, int]:
        folder = visuals_folder(tmp_path, "pca")
        evaluate(f"pca={run}", tiny_folder, extractor="random", out=tmp_path)
        return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}

    first = written()
    assert written() == first
    (visuals_folder(tmp_path, "pca") / "exhibits.json").write_text("{}")
    assert written()["exhibits.json"] > first["exhibits.json"]


@pytest.mark.processes
def test_what_was_shown_of_training_images_stays_when_they_are_not_seen_again(
    out: Path, run: Path, tiny_folder: Path
) -> None:
    evaluate(f"pca={run}", tiny_folder, extractor="random", out=out)
    assert "copies" in read_visuals(visuals_folder(out, "pca")).galleries


@pytest.mark.processes
def test_a_model_that_does_not_draw_again_is_scored_all_the_same(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "site" / "forgetful-1.0.dist-info"
    info.mkdir(parents=True)
    (tmp_path / "site" / "forgetful.py").write_text(FORGETFUL)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: forgetful\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[facebench.adapters]\nforgetful = forgetful:Sampler\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    (tmp_path / "model").touch()
    models = f"once=forgetful:{tmp_path / 'model'}"
    out = tmp_path / "results"  # of more images than are kept, so that some must be drawn again
    found = evaluate(models, tiny_folder, extractor="random", num=48, out=out)
    assert not found.failures and (tmp_path / "results" / "once.json").is_file()
    shown = read_visuals(visuals_folder(tmp_path / "results", "once"))
    assert shown.galleries == {} and shown.plane is not None


@pytest.mark.processes
def test_what_a_model_scored_before_it_was_trained_again_is_kept(
    tiny_folder: Path, tmp_path: Path
) -> None:
    runs = [train(tiny_folder, tmp_path / f"pca-{n}", n) for n in (4, 8)]
    for each in (*runs, runs[1]):
        evaluate(f"pca={each}", tiny_folder, extractor="random", out=tmp_path / "results")
    [earlier] = read_history(tmp_path / "results", "pca")
    now = read_result(tmp_path / "results" / "pca.json")
    assert earlier.path.endswith("pca-4") and now.path.endswith("pca-8")
    assert earlier.model_digest != now.model_digest


def test_history_cannot_be_read_from_outside(tmp_path: Path) -> None:
    assert read_history(tmp_path, "../../etc") == []


@pytest.mark.processes
def test_phases_are_measured(out: Path) -> None:
    result = read_result(out / "pca.json")
    phases = {"waiting for images", "looking at them", "metrics"}
    assert set(result.seconds) == set(result.memory) == phases
    assert result.images == result.protocol.num
    assert all(50 < mebibytes < 1e5 for mebibytes in result.memory.values())


def test_a_phase_costs_its_own_peak_and_not_that_of_one_before() -> None:
    meter = Meter()
    with meter.phase("large"):
        np.ones(40 << 20).sum()  # 320 MiB, gone at once
        time.sleep(0.01)
    with meter.phase("small"):
        pass
    assert meter.seconds["large"] > 0.01 > meter.seconds["small"]
    assert meter.memory["large"] > meter.memory["small"] + 200


@pytest.mark.processes
def test_what_a_run_logged_is_kept_for_plots(out: Path) -> None:
    found = read_visuals(visuals_folder(out, "pca")).training
    assert found == {"loss": ((0.0, 1.0), (1.0, 0.5), (2.0, 1 / 3))}
    assert read_visuals(visuals_folder(out, "sanity-blur")).training == {}


def test_curves_are_thinned_to_their_ends_and_what_is_no_number_is_left_out(
    tmp_path: Path,
) -> None:
    lines = [
        json.dumps({"step": step, "loss": step / 2, "note": "x", "flag": True, "seconds": 3})
        for step in range(1001)
    ]
    odd = ['{"step": 5, "loss": NaN}', "[1]", "{", '{"loss": 4}', '{"step": 7, "once": 1}']
    (tmp_path / "metrics.jsonl").write_text("\n".join([*odd, *lines]))
    curves = training_curves(tmp_path)
    assert set(curves) == {"loss"}
    assert len(curves["loss"]) <= POINTS + 1
    assert curves["loss"][0] == (0.0, 0.0) and curves["loss"][-1] == (1000.0, 500.0)


def test_a_log_of_many_names_gives_the_first_of_them(tmp_path: Path) -> None:
    values = {f"series {number}": 1.0 for number in range(100)}
    lines = [json.dumps({"step": step, **values}) for step in range(2)]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines))
    assert list(training_curves(tmp_path)) == [f"series {number}" for number in range(SERIES)]


def test_no_log_gives_no_curves(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_bytes(b"\xff\xfe")
    assert training_curves(tmp_path) == training_curves(tmp_path / "nowhere") == {}


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": "facebench-exhibits/1", "strips": 3}', "not json"]
)
def test_damaged_visuals_are_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "exhibits.json").write_text(text)
    assert read_visuals(tmp_path) == Visuals()


def test_the_data_set_of_these_tests_is_what_they_take_it_for(tiny_folder: Path) -> None:
    assert len(open_dataset(tiny_folder).split("holdout")) == SHOWN
