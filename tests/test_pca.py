import io
import json
import pickle
import signal
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from facebench.data.dataset import Dataset, open_dataset
from facebench.errors import BadInput
from facebench.sampler import latents, to_uint8
from facebench.training.data import hold_back
from facebench.training.sampler import ModelSampler
from facebench_pca import PCASampler
from facebench_pca.learner import PCALearner
from facebench_pca.model import Eigenfaces, load, save
from facebench_pca.solve import Pixels, iterate, random_basis, solve_exactly
from facebench_pca.train import choose_solver, command, portraits

COUNT, TRAIN, SIZE = 65, 55, 8
LEARNT = 50  # of TRAIN; a tenth is held back


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faces")
    rng = np.random.default_rng(0)
    modes = rng.normal(0, 6, (5, 3 * SIZE * SIZE))
    pixels = 128 + rng.normal(size=(COUNT, 5)) @ modes + rng.normal(0, 2, (COUNT, len(modes[0])))
    images = pixels.clip(0, 255).astype(np.uint8).reshape(COUNT, 3, SIZE, SIZE)
    np.save(folder / "images.npy", images)
    info = {
        "format": "facebench-dataset/1",
        "count": COUNT,
        "size": SIZE,
        "digest": sha256(images.tobytes()).hexdigest(),
        "splits": {"train": [0, TRAIN], "holdout": [TRAIN, COUNT]},
        "crop": "none",
        "filter": "lanczos",
        "source": "test",
    }
    (folder / "dataset.json").write_text(json.dumps(info))
    return folder


def learnt(data: Path) -> np.ndarray:
    return hold_back(open_dataset(data).split("train").images, seed=0)[0][:]


@pytest.fixture(scope="module")
def rows(data: Path) -> np.ndarray:
    return learnt(data).reshape(LEARNT, -1).astype(np.float64)


def train(data: Path, out: Path, *options: object) -> Result:
    arguments = ["--data", data, "--out", out, *options]
    return CliRunner().invoke(command, list(map(str, arguments)))


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "pca"
    result = train(data, out, "--components", 20)
    assert result.exit_code == 0, result.output
    return out


def test_the_command_says_what_it_did_and_where_the_results_lie(data: Path, tmp_path: Path) -> None:
    output = train(data, tmp_path / "run", "--components", 5).output
    assert "Fitting 5 eigenfaces to 50 images by exact decomposition" in output
    assert f"{tmp_path / 'run' / 'model.npz'}" in output
    assert f"{tmp_path / 'run' / 'samples' / 'final.png'}" in output


def test_grids_show_36_seeds_and_the_mean_with_the_20_eigenfaces(run: Path) -> None:
    for name, side in (("final", 6), ("eigenfaces", 5)):
        with Image.open(run / "samples" / f"{name}.png") as picture:
            assert picture.size == (side * SIZE, side * SIZE)


def test_fit_matches_numpys_eigh_of_the_covariance_over_n(run: Path, rows: np.ndarray) -> None:
    model = load(run / "model.npz")
    values, vectors = np.linalg.eigh(np.cov(rows.T, bias=True))
    values, vectors = values[::-1][:20], vectors[:, ::-1][:, :20]
    np.testing.assert_allclose(model.mean, rows.mean(0), rtol=1e-5)
    np.testing.assert_allclose(model.variances, values, rtol=1e-4)
    overlap = np.abs((model.components @ vectors).diagonal())
    np.testing.assert_allclose(overlap, 1, atol=1e-3)


@pytest.mark.parametrize(("solver", "passes"), [("covariance", 1), ("randomized", 60)])
def test_eigenfaces_are_scikit_learns(solver: str, passes: int, images: np.ndarray) -> None:
    from sklearn.decomposition import PCA

    count = len(images)
    theirs = PCA(10, svd_solver="full").fit(images.reshape(count, -1).astype(np.float64))
    ours = solve(solver, images, 10, passes)
    variances = theirs.explained_variance_ * (count - 1) / count
    assert ours.variances == pytest.approx(variances, rel=1e-4)
    alike = np.abs((ours.components * theirs.components_).sum(1))
    assert alike == pytest.approx(1, abs=1e-4)


def test_reconstruction_through_the_components_matches_the_oracle(
    run: Path, rows: np.ndarray
) -> None:
    model = load(run / "model.npz")
    z = (rows - model.mean) @ model.components.T / np.sqrt(model.variances)
    _, vectors = np.linalg.eigh(np.cov(rows.T, bias=True))
    kept = vectors[:, -20:]
    oracle = rows.mean(0) + (rows - rows.mean(0)) @ kept @ kept.T
    expanded = model.expand(z.astype(np.float32)).reshape(LEARNT, -1)
    np.testing.assert_allclose(expanded, oracle, atol=0.05)


def solve(solver: str, images: np.ndarray, components: int, passes: int = 8) -> Eigenfaces:
    pixels = Pixels(images)
    if solver == "covariance":
        return solve_exactly(pixels, components)
    basis = random_basis(pixels, components, np.random.default_rng(0))
    for _ in range(passes):
        model, basis = iterate(pixels, basis, components)
    return model


SOLVERS = ["covariance", "randomized"]


@pytest.fixture(scope="module")
def images(data: Path) -> np.ndarray:
    return learnt(data)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("block", [7, 1024])
def test_within_the_components_the_covariance_is_exactly_that_of_the_images(
    solver: str, block: int, images: np.ndarray, rows: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facebench_pca.solve.BLOCK", block)
    # Two passes leave the directions far from the eigenvectors; within them it holds all the same.
    model = solve(solver, images, 10, passes=2)
    inside = model.components @ np.cov(rows.T, bias=True) @ model.components.T
    np.testing.assert_allclose(inside, np.diag(model.variances), atol=1e-4 * inside.max())
    np.testing.assert_allclose(model.components @ model.components.T, np.eye(10), atol=1e-5)
    z = model.whiten(images)
    np.testing.assert_allclose(z.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(np.cov(z.T, bias=True), np.eye(10), atol=1e-3)
    again = model.expand(z.astype(np.float32)).reshape(LEARNT, -1)
    kept = model.components.T @ model.components
    expected = kept @ np.cov(rows.T, bias=True) @ kept
    np.testing.assert_allclose(np.cov(again.T, bias=True), expected, atol=1e-3 * expected.max())


def test_passes_turn_the_randomized_basis_to_the_leading_eigenvectors(
    images: np.ndarray,
) -> None:
    exact = solve("covariance", images, 5)
    errors = [
        np.abs(solve("randomized", images, 5, passes).variances / exact.variances - 1).max()
        for passes in (1, 2, 8)
    ]
    assert errors[0] > 0.1 > errors[1] > errors[2]
    assert errors[2] < 1e-3


@pytest.mark.parametrize("solver", SOLVERS)
def test_both_solvers_keep_all_variance_when_all_components_are_kept(
    solver: str, images: np.ndarray, rows: np.ndarray
) -> None:
    model = solve(solver, images, LEARNT - 1)
    assert model.variances.sum() == pytest.approx(rows.var(0).sum(), rel=1e-4)
    np.testing.assert_allclose(model.components @ model.components.T, np.eye(LEARNT - 1), atol=1e-4)


def test_samples_have_the_training_covariance_in_the_kept_subspace(
    run: Path, rows: np.ndarray
) -> None:
    model = load(run / "model.npz")
    samples = model.expand(latents(range(20_000), 20)).reshape(20_000, -1)
    inside = (samples - model.mean) @ model.components[:5].T
    expected = np.cov(model.components[:5] @ rows.T, bias=True)
    np.testing.assert_allclose(np.cov(inside.T), expected, atol=0.03 * expected.max())


def test_samples_do_not_leave_the_kept_subspace(run: Path) -> None:
    model = load(run / "model.npz")
    centred = model.expand(latents(range(10), 20)).reshape(10, -1) - model.mean
    inside = centred @ model.components.T @ model.components
    np.testing.assert_allclose(inside, centred, atol=1e-2)


def test_the_explained_variance_is_logged(run: Path, rows: np.ndarray) -> None:
    line, _ = (run / "metrics.jsonl").read_text().splitlines()
    values = np.linalg.eigvalsh(np.cov(rows.T))[::-1]
    expected = values[:20].sum() / values.sum()
    assert json.loads(line)["explained_variance"] == pytest.approx(expected, rel=1e-4)
    assert "</svg>" in (run / "samples" / "spectrum.svg").read_text()


def test_solver_is_chosen_by_size_and_said(data: Path, tmp_path: Path) -> None:
    said = [
        train(data, tmp_path / name, "--components", 5, "--solver", name, "--passes", 3).output
        for name in ("auto", "covariance", "randomized")
    ]
    assert "exact decomposition of the covariance" in said[0] and said[0][:60] == said[1][:60]
    assert "randomized subspace iteration, in 3 passes" in said[2]
    large = Dataset(Path("large"), np.zeros((9, 3, 64, 64), np.uint8), {})
    assert choose_solver("auto", large) == "randomized"


def test_samples_of_truncated_spectra_use_the_leading_eigenfaces_alone(run: Path) -> None:
    model = load(run / "model.npz")
    z = latents(range(36), 20)
    z[:, 16:] = 0
    with Image.open(run / "samples" / "leading-16.png") as sheet:
        first = np.asarray(sheet)[:SIZE, :SIZE].transpose(2, 0, 1)
    np.testing.assert_array_equal(first, to_uint8(model.expand(z), 0.0, 255.0)[0])


def test_a_resumed_run_is_bit_equal_to_an_uninterrupted_one(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--components", 5, "--solver", "randomized", "--passes", 4)
    step = PCALearner.step

    def interrupted(learner: PCALearner, number: int) -> dict[str, Any]:
        if number == 2:
            signal.raise_signal(signal.SIGINT)
        return step(learner, number)

    train(data, tmp_path / "whole", *options)
    monkeypatch.setattr(PCALearner, "step", interrupted)
    assert "Stopped after step 2 of 4" in train(data, tmp_path / "parts", *options).output
    monkeypatch.undo()
    assert "Going on after step 2 of 4" in train(data, tmp_path / "parts", *options).output
    whole, parts = (tmp_path / name / "model.npz" for name in ("whole", "parts"))
    assert whole.read_bytes() == parts.read_bytes()


def test_decoding_clips_and_rounds() -> None:
    model = Eigenfaces(
        np.array([100.4, 100.6, 100], np.float32), np.eye(3, dtype=np.float32), np.ones(3, "f4")
    )
    z = np.array([[0, 0, 0], [0, 500, -500]], np.float32)
    assert ModelSampler(model).decode(z).reshape(2, 3).tolist() == [[100, 101, 100], [100, 255, 0]]


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_images_do_not_depend_on_the_batch(run: Path, batch_size: int) -> None:
    sampler = PCASampler(run)
    seeds = range(64)
    images = sampler.sample(seeds)
    assert images.shape == (64, 3, SIZE, SIZE) and images.dtype == np.uint8
    parts = [seeds[i : i + batch_size] for i in range(0, 64, batch_size)]
    z = np.concatenate([latents(part, sampler.latent_dim) for part in parts])
    np.testing.assert_array_equal(z, latents(seeds, sampler.latent_dim))
    batched = np.concatenate([sampler.sample(part) for part in parts])
    assert np.abs(batched.astype(int) - images).max() <= 1


def test_the_same_seed_gives_the_same_file(data: Path, run: Path, tmp_path: Path) -> None:
    train(data, tmp_path, "--components", 20)
    assert (tmp_path / "model.npz").read_bytes() == (run / "model.npz").read_bytes()


def test_portraits_begin_with_the_mean_and_use_the_full_contrast(run: Path) -> None:
    model = load(run / "model.npz")
    faces = portraits(model, 3)
    np.testing.assert_array_equal(faces[0].ravel(), np.rint(model.mean))
    extremes = np.abs(faces[1:].reshape(3, -1).astype(float) - 127.5).max(1)
    np.testing.assert_array_equal(extremes, 127.5)


def test_fewer_images_than_the_default_needs_give_all_there_are(data: Path, tmp_path: Path) -> None:
    output = train(data, tmp_path / "run").output
    assert f"Fitting {LEARNT - 1} eigenfaces" in output
    assert PCASampler(tmp_path / "run").latent_dim == LEARNT - 1


def refusal(folder: Path) -> str:
    with pytest.raises(BadInput) as caught:
        PCASampler(folder)
    return str(caught.value)


def test_more_components_than_there_are_is_refused_naming_the_most(
    data: Path, tmp_path: Path
) -> None:
    error = train(data, tmp_path / "run", "--components", LEARNT).exception
    assert isinstance(error, BadInput) and f"at most {LEARNT - 1}" in str(error)
    assert not (tmp_path / "run").exists()


def test_a_finished_run_is_not_fitted_again(data: Path, run: Path) -> None:
    before = (run / "model.npz").stat().st_mtime_ns
    assert "already trained" in train(data, run, "--components", 20).output
    assert (run / "model.npz").stat().st_mtime_ns == before


def test_images_that_are_all_the_same_are_refused(tmp_path: Path) -> None:
    images = np.full((30, 3, 8, 8), 90, np.uint8)
    with pytest.raises(BadInput, match="All images to learn are the same"):
        PCALearner({"components": 2, "solver": "covariance"}, images)


def test_other_options_into_the_same_folder_are_refused(data: Path, run: Path) -> None:
    error = train(data, run, "--components", 7).exception
    assert isinstance(error, BadInput) and "give another --out" in str(error)


def test_an_unfinished_or_missing_run_is_refused(tmp_path: Path) -> None:
    assert "holds no model.npz: its training has not finished" in refusal(tmp_path)
    assert "There is no run folder" in refusal(tmp_path / "none")


class Bomb:
    """Unpickling this creates the file it names."""

    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    exploded = tmp_path / "exploded"
    (tmp_path / "model.npz").write_bytes(pickle.dumps(Bomb(exploded)))
    assert "is not an eigenface model" in refusal(tmp_path)
    objects = np.array([Bomb(exploded)], dtype=object)
    np.savez(tmp_path / "model.npz", mean=objects, components=np.eye(3), variances=np.ones(3))
    assert "is not an eigenface model" in refusal(tmp_path)
    assert not exploded.exists()


def test_a_file_cut_short_is_refused(run: Path, tmp_path: Path) -> None:
    whole = (run / "model.npz").read_bytes()
    for part in (whole[:0], whole[:100], whole[: len(whole) // 2], whole[:-1]):
        (tmp_path / "model.npz").write_bytes(part)
        assert "is not an eigenface model, or damaged" in refusal(tmp_path)


def test_a_changed_byte_is_noticed(run: Path, tmp_path: Path) -> None:
    whole = bytearray((run / "model.npz").read_bytes())
    whole[len(whole) // 2] ^= 1
    (tmp_path / "model.npz").write_bytes(whole)
    assert "is not an eigenface model, or damaged" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"mean": np.zeros(11, np.float32)}, "mean"),
        ({"mean": np.zeros(12)}, "mean"),
        ({"variances": np.array([1, np.nan], np.float32)}, "variances"),
        ({"variances": np.array([1, -1], np.float32)}, "negative"),
        ({"components": np.zeros(12, np.float32)}, "damaged"),
        ({"size": 3}, "not a square"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    change: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    arrays: dict[str, Any] = {
        "mean": np.zeros(12, np.float32),
        "components": np.eye(2, 12, dtype=np.float32),
        "variances": np.ones(2, np.float32),
        "size": 2,
    }
    np.savez(tmp_path / "model.npz", **(arrays | change))
    assert reason in refusal(tmp_path)


def test_an_array_file_is_no_model(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    (tmp_path / "model.npz").write_bytes(buffer.getvalue())
    assert "is not an eigenface model" in refusal(tmp_path)


def test_what_was_saved_is_what_is_loaded(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    model = Eigenfaces(
        rng.random(12, np.float32), rng.random((2, 12), np.float32), rng.random(2, np.float32)
    )
    save(model, tmp_path / "model.npz")
    again = load(tmp_path / "model.npz")
    assert again.size == 2
    for name, array in vars(model).items():
        np.testing.assert_array_equal(getattr(again, name), array)
