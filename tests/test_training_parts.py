import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

import facebench.training
from facebench.data.dataset import Dataset
from facebench.synth import render
from facebench.training.animation import MOST_FRAMES, save_animation
from facebench.training.charts import Curve, save_chart
from facebench.training.sliced_wasserstein import sliced_wasserstein

ROLE = "aria-roledescription"


@pytest.fixture(scope="module")
def faces() -> tuple[np.ndarray, np.ndarray]:
    return render(range(32), 32), render(range(100, 132), 32)


def test_the_score_sees_blur_noise_colour_and_collapse(
    faces: tuple[np.ndarray, np.ndarray],
) -> None:
    real, other = faces
    floor = sliced_wasserstein(real, other)
    coarse = other.reshape(32, 3, 16, 2, 16, 2).mean((3, 5)).astype(np.uint8)
    noise = np.random.default_rng(0).normal(0, 25, other.shape)
    worse = {
        "blur": coarse.repeat(2, 2).repeat(2, 3),
        "noise": (other + noise).clip(0, 255).astype(np.uint8),
        "dark": other // 2,
        "collapse": np.repeat(other[:1], 32, 0),
    }
    for name, images in worse.items():
        assert sliced_wasserstein(real, images) > 1.3 * floor, name
    assert sliced_wasserstein(real, real) == 0


def test_small_and_odd_images_can_be_scored() -> None:
    rng = np.random.default_rng(0)
    for size in (5, 16, 33):
        a, b = (rng.integers(0, 256, (4, 3, size, size), np.uint8) for _ in range(2))
        assert 0 < sliced_wasserstein(a, b) < 1


def grids(folder: Path, count: int, side: int = 33) -> list[Path]:
    paths = [folder / f"{number:04d}.png" for number in range(count)]
    for number, path in enumerate(paths):
        Image.new("RGB", (side, side), (number % 256, 0, 0)).save(path)
    return paths


def test_films_show_every_grid_and_hold_the_last(tmp_path: Path) -> None:
    gif, mp4 = save_animation(grids(tmp_path, 4), tmp_path / "film")
    with Image.open(gif) as film:
        assert film.n_frames == 4  # type: ignore[attr-defined]
        shown = []
        for frame in range(4):
            film.seek(frame)
            shown.append((film.info["duration"], film.convert("RGB").getpixel((5, 5))))
    assert shown == [(100, (0, 0, 0)), (100, (1, 0, 0)), (100, (2, 0, 0)), (2000, (3, 0, 0))]
    import imageio_ffmpeg

    frames, seconds = imageio_ffmpeg.count_frames_and_secs(str(mp4))
    assert frames == 3 + 20
    assert seconds == pytest.approx(2.3, abs=0.2)


def test_long_films_are_thinned_and_end_with_the_last_grid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facebench.training.animation.find_spec", lambda name: None)
    (gif,) = save_animation(grids(tmp_path, 200, side=8), tmp_path / "film")
    with Image.open(gif) as film:
        assert film.n_frames == MOST_FRAMES  # type: ignore[attr-defined]
        film.seek(MOST_FRAMES - 1)
        assert film.convert("RGB").getpixel((0, 0)) == (199, 0, 0)


def test_charts_are_xml_with_one_curve_each_and_escaped_names(tmp_path: Path) -> None:
    curves: dict[str, Curve] = {
        "a<b": [(1.0, 3.0), (2.0, -1.0)],
        "flat": [(1.0, 2.0), (9.0, 2.0)],
        "dot": [(1, 1)],
    }
    root = ElementTree.parse(save_chart(curves, tmp_path / "chart.svg")).getroot()
    space = "{http://www.w3.org/2000/svg}"
    paths = [p for p in root.iter(f"{space}path") if p.get(ROLE) == "line mark"]
    assert [p.get("d", "").count(",") for p in paths] == [2, 2, 1]
    assert "a<b" in {text.text for text in root.iter(f"{space}text")}
    first, second = paths[0].get("d", "")[1:].split("L")
    assert float(first.split(",")[1]) < float(second.split(",")[1])  # down is greater in SVG


def test_curves_of_many_points_are_thinned_to_means(tmp_path: Path) -> None:
    curve = [(float(x), float(x % 2)) for x in range(8000)]
    text = save_chart({"loss": curve}, tmp_path / "chart.svg").read_text()
    path = text.rpartition(f'{ROLE}="line mark" d="')[2].partition('"')[0]
    heights = {point.split(",")[1] for point in path[1:].split("L")}
    assert path.count("L") == 399
    assert len(heights) == 1


def test_the_score_of_a_dataset_with_itself_is_zero(tiny_dataset: Dataset) -> None:
    images = tiny_dataset.sample(range(8))
    assert sliced_wasserstein(images, images) == 0


@pytest.mark.processes
def test_training_needs_no_framework() -> None:
    code = (
        "import sys, facebench.training.loop, facebench.samplers.latent_walks; print(*sys.modules)"
    )

    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not {"torch", "keras", "tensorflow", "scipy"} & set(told.stdout.split())


def test_the_room_offers_what_trainers_need() -> None:
    assert all(getattr(facebench.training, name) for name in facebench.training.__all__)
