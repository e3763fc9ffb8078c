from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from jaxtyping import Float32
from PIL import Image

from facebench.cli import cli
from facebench.errors import BadInput
from facebench.sampler import Images, LatentSampler, latents, to_uint8
from facebench.samplers.latent_walks import (
    along,
    between,
    coordinate,
    latent_sampler,
    principal,
    truncated,
)
from facebench.samplers.latents import draw
from facebench_pca import PCASampler


@pytest.fixture(scope="module")
def pca(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Path:
    """Give a PCA of rendered faces."""
    out = tmp_path_factory.mktemp("runs") / "pca"
    where = ["--data", str(tiny_folder), "--out", str(out), "--components", "10"]
    answer = CliRunner().invoke(cli, ["train", "pca", *where, "--solver", "randomized"])
    assert answer.exit_code == 0, answer.output
    return out


def facebench(*words: object) -> Result:
    return CliRunner().invoke(cli, list(map(str, words)))


def cells(path: Path, gap: int = 2) -> np.ndarray:
    """Return the pictures of a grid, by row and column."""
    with Image.open(path) as sheet:
        pixels = np.asarray(sheet.convert("RGB"))
    side = 32 + gap
    return np.stack(
        [
            [pixels[y : y + 32, x : x + 32].transpose(2, 0, 1) for x in range(0, w, side)]
            for y in range(0, pixels.shape[0], side)
            for w in [pixels.shape[1]]
        ]
    )


def test_arcs_keep_the_length_and_pass_through_the_seeds() -> None:
    points = latents(range(3), 100)
    way = between(points, 4)
    assert len(way) == 9
    np.testing.assert_allclose(way[::4], points, atol=1e-5)
    lengths = np.linalg.norm(way, axis=1)
    assert lengths.min() >= np.linalg.norm(points, axis=1).min() - 1e-3
    chord = (points[0] + points[1]) / 2
    assert np.linalg.norm(way[2]) > 1.2 * np.linalg.norm(chord)


def test_arcs_between_equal_opposite_and_zero_points_are_finite() -> None:
    z = latents([0], 5)[0]
    for a, b in ((z, z), (z, -z), (z, 0 * z)):
        assert np.isfinite(between(np.stack([a, b]), 5)).all()


def test_a_traversal_changes_one_direction_alone() -> None:
    z, direction = latents([3], 6)[0], coordinate(2, 6)
    way = along(z, direction, 3.0, 7)
    np.testing.assert_allclose(way[:, 2], np.linspace(-3, 3, 7), atol=1e-6)
    np.testing.assert_array_equal(np.delete(way, 2, 1), np.delete(np.stack([z] * 7), 2, 1))


class Linear(LatentSampler):
    """Latent 3 makes red, latent 1, less, makes blue; the others do nothing."""

    latent_dim = 5

    def decode(self, z: Float32[np.ndarray, "n d"]) -> Images:
        pixels = np.zeros((len(z), 3, 16, 16), np.float32)
        pixels[:, 0] = z[:, 3, None, None]
        pixels[:, 2] = z[:, 1, None, None] / 3
        return to_uint8(pixels, -4.0, 4.0)


def test_principal_directions_of_a_linear_model_are_its_own() -> None:
    first, second = principal(Linear(), 2)
    assert abs(first[3]) > 0.98 and abs(second[1]) > 0.98
    assert np.linalg.norm(first) == pytest.approx(1)


def test_truncation_moves_latents_to_their_mean() -> None:
    np.testing.assert_array_equal(truncated(Linear(), [1, 2], 0.5), latents([1, 2], 5) / 2)


def test_a_sampler_with_latents_of_its_own_walks_among_these() -> None:
    class Uniform(Linear):
        def draw(self, seeds: Sequence[int]) -> Float32[np.ndarray, "n d"]:
            return np.full((len(seeds), 5), 0.5, np.float32)

    assert (truncated(Uniform(), [1, 2], 0.5) == 0.25).all()


def test_pictures_without_latents_are_refused() -> None:
    class Pictures:
        def sample(self, seeds: Sequence[int]) -> Images:
            return np.zeros((len(seeds), 3, 4, 4), np.uint8)

    with pytest.raises(BadInput, match="no latent space"):
        latent_sampler(Pictures(), "theirs")


def test_sample_draws_the_faces_of_its_seeds(pca: Path, tmp_path: Path) -> None:
    out = tmp_path / "faces.png"
    assert facebench("sample", f"p={pca}", "--seeds", "0,4-6", "--out", out).exit_code == 0
    expected = PCASampler(pca).sample([0, 4, 5, 6])
    np.testing.assert_array_equal(cells(out).reshape(4, 3, 32, 32), expected)
    facebench("sample", f"p={pca}", "--seeds", "0-3", "--columns", 4, "--gap", 0, "--out", out)
    with Image.open(out) as row:
        assert row.size == (128, 32)


def test_sample_fills_a_folder(pca: Path, tmp_path: Path) -> None:
    out = tmp_path / "faces"
    words = ["sample", f"p={pca}", "--seeds", "7,9", "--truncation", 0.5, "--out", out]
    assert facebench(*words).exit_code == 0
    assert sorted(path.name for path in out.iterdir()) == ["seed-000007.png", "seed-000009.png"]
    expected = PCASampler(pca).decode(latents([7], 10) / 2)[0]
    with Image.open(out / "seed-000007.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture).transpose(2, 0, 1), expected)
    refused = facebench(*words).exception
    assert isinstance(refused, BadInput) and "exists" in str(refused)


def test_interpolate_goes_from_seed_to_seed(pca: Path, tmp_path: Path) -> None:
    words = ["interpolate", f"p={pca}", "--seeds", "2,5,3", "--steps", 4]
    assert facebench(*words, "--out", tmp_path / "strip.png").exit_code == 0
    rows = cells(tmp_path / "strip.png")
    ends = PCASampler(pca).sample([2, 5, 3])
    assert rows.shape[:2] == (2, 5)
    for row, column, end in ((0, 0, 0), (0, 4, 1), (1, 0, 1), (1, 4, 2)):
        assert np.abs(rows[row, column].astype(int) - ends[end]).max() <= 1
    assert facebench(*words, "--out", tmp_path / "film.gif").exit_code == 0
    with Image.open(tmp_path / "film.gif") as film:
        assert film.size == (32, 32)
        assert film.n_frames == 12  # type: ignore[attr-defined]


def test_traverse_of_a_pca_adds_multiples_of_its_eigenfaces(pca: Path, tmp_path: Path) -> None:
    words = ["traverse", f"p={pca}", "--directions", "1", "--truncation", 0, "--steps", 3]
    assert facebench(*words, "--reach", 2, "--out", tmp_path / "t.png").exit_code == 0
    model = PCASampler(pca).model
    step = 2 * np.sqrt(model.variances[1]) * model.components[1]
    expected = np.stack([model.mean - step, model.mean, model.mean + step])
    shown = cells(tmp_path / "t.png")[0].reshape(3, -1)
    assert np.abs(shown - expected.clip(0, 255)).max() <= 0.51
    assert facebench(*words, "--out", tmp_path / "t.gif").exit_code == 0
    words = ["traverse", f"p={pca}", "--principal", "--directions", "0-1"]
    assert facebench(*words, "--out", tmp_path / "p.png").exit_code == 0
    assert cells(tmp_path / "p.png").shape[:2] == (2, 7)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["interpolate", "--seeds", "3", "--out", "a.png"], "two are needed"),
        (["interpolate", "--out", "a.jpg"], "neither a .png nor a .gif"),
        (["traverse", "--directions", "10", "--out", "a.png"], "no latent 10: the model has 10"),
        (["traverse", "--principal", "--directions", "30", "--out", "a.png"], "ask for fewer"),
    ],
)
def test_what_cannot_be_walked_is_refused(words: list[str], says: str, pca: Path) -> None:
    error = facebench(words[0], f"p={pca}", *words[1:]).exception
    assert isinstance(error, BadInput) and says in str(error)


@pytest.mark.parametrize("seeds", ["", "1-", "5-3", "a", "0-99999999", "99999999999999999999"])
def test_lists_of_seeds_are_checked(seeds: str, pca: Path, tmp_path: Path) -> None:
    answer = facebench("sample", f"p={pca}", "--seeds", seeds, "--out", tmp_path / "a.png")
    assert answer.exit_code == 2 and "--seeds" in answer.output


def test_options_reach_the_adapter_as_in_an_evaluation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import numpy as np\n"
    code += "def grey(z):\n    return np.tile(z[:, :1, None, None], (1, 3, 4, 4))\n"
    (tmp_path / "greys.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    model = "m=python+latent=uniform+size=3+range=tanh:greys:grey"
    assert facebench("sample", model, "--seeds", 5, "--gap", 0, "--out", "a.png").exit_code == 0
    z = draw([5], 3, "uniform")[0, 0]
    grey = round(127.5 * (float(z) + 1))
    assert abs(np.asarray(Image.open("a.png"))[0, 0, 0] - grey) <= 1
