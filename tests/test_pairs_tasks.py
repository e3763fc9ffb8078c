"""Tasks of image to image against slow oracles, and the folders of pairs that are made of them."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from scipy import ndimage

from facebench.cli import cli
from facebench.data.dataset import open_dataset
from facebench.data.prepare import prepare, synthesize
from facebench.errors import BadInput
from facebench.pairs.make import make_pairs
from facebench.pairs.pair_set import open_pairs
from facebench.pairs.tasks import (
    CANNY_HIGH,
    CANNY_LOW,
    CANNY_SIGMA,
    FILL,
    TASKS,
    canny,
    colourisation,
    denoising,
    edges,
    inpainting,
    luma,
    options_of,
    sources_of,
    super_resolution,
)
from facebench.sampler import Images
from facebench.synth import render

FACES = render(range(5), 32)
INDICES = range(5)


def keys(x: float) -> float:
    """Return the cubic kernel of Keys 1981 with a = -1/2."""
    x = abs(x)
    if x < 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


def reduced(line: np.ndarray, factor: int) -> np.ndarray:
    """Reduce the last axis by the kernel made `factor` times as wide, pixel by pixel."""
    places = range(line.shape[-1])
    found = []
    for centre in np.arange(line.shape[-1] // factor) * factor + factor / 2:
        weights = np.array([keys((place + 0.5 - centre) / factor) for place in places])
        found.append((line * weights).sum(-1) / weights.sum())
    return np.stack(found, -1)


@pytest.mark.parametrize("factor", [2, 4])
def test_super_resolution_is_the_antialiased_bicubic_reduction(factor: int) -> None:
    across = np.rint(reduced(FACES.astype(float), factor).clip(0, 255))  # Pillow rounds each way
    expected = reduced(across.swapaxes(2, 3), factor).swapaxes(2, 3).clip(0, 255)
    sources = super_resolution(FACES, factor)
    assert sources.shape == (5, 3, 32 // factor, 32 // factor) and sources.dtype == np.uint8
    assert np.abs(sources - expected).max() <= 1


def test_a_factor_that_does_not_divide_is_refused() -> None:
    with pytest.raises(BadInput, match=r"32×32 pixels cannot be reduced by --factor 5: give a fac"):
        super_resolution(FACES, 5)


def test_the_central_box_is_a_quarter_of_the_pixels_and_all_else_stays() -> None:
    sources = inpainting(FACES, INDICES)
    expected = FACES.copy()
    expected[:, :, 8:24, 8:24] = FILL
    np.testing.assert_array_equal(sources, expected)


def corners(sources: Images) -> set[tuple[int, int]]:
    """Find the box of each of some sources that are white otherwise; all must be whole."""
    found = set()
    for source in sources:
        rows, columns = np.nonzero((source == FILL).all(0))
        assert len(rows) == 16 * 16 == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
        found.add((int(rows.min()), int(columns.min())))
    return found


def test_random_boxes_are_anywhere() -> None:
    white = np.full((2000, 3, 32, 32), 255, np.uint8)
    found = corners(inpainting(white, range(2000), "random"))
    assert {top for top, _ in found} == {left for _, left in found} == set(range(17))


def test_grey_is_the_luma_of_itu_601() -> None:
    r, g, b = FACES.astype(int).transpose(1, 0, 2, 3)
    expected = (19595 * r + 38470 * g + 7471 * b + (1 << 15)) >> 16  # 299, 587, 114 of 1000
    sources = colourisation(FACES)
    for channel in range(3):
        np.testing.assert_array_equal(sources[:, channel], expected)


def slow_canny(grey: np.ndarray) -> np.ndarray:
    """Find the edges of one picture, pixel by pixel, along the paper's three steps."""
    slopes = [
        ndimage.gaussian_filter1d(
            ndimage.gaussian_filter1d(grey, CANNY_SIGMA, axis, order=1, mode="nearest"),
            *(CANNY_SIGMA, 1 - axis),
            mode="nearest",
        )
        for axis in (0, 1)
    ]
    steep = np.hypot(*slopes)
    around = np.pad(steep, 1)
    height, width = grey.shape
    crest = np.zeros(grey.shape, bool)
    for y, x in np.ndindex(height, width):
        angle = np.degrees(np.arctan2(slopes[0][y, x], slopes[1][y, x])) % 180
        if angle < 22.5 or angle >= 157.5:
            step = (0, 1)
        else:
            step = (1, 1) if angle < 67.5 else (1, 0) if angle < 112.5 else (1, -1)
        ahead = around[1 + y + step[0], 1 + x + step[1]]
        behind = around[1 + y - step[0], 1 + x - step[1]]
        crest[y, x] = behind <= steep[y, x] > ahead
    edge = crest & (steep > CANNY_HIGH)
    while True:
        near = ndimage.binary_dilation(edge, np.ones((3, 3), bool))
        grown = edge | (near & crest & (steep > CANNY_LOW))
        if (grown == edge).all():
            return edge
        edge = grown


def test_edges_are_cannys() -> None:
    grey = luma(FACES).astype(np.float32)
    expected = np.stack([slow_canny(each.astype(float)) for each in grey])
    assert (canny(grey) == expected).mean() > 0.999  # but for ties of rounding
    assert 0.02 < expected.mean() < 0.3
    np.testing.assert_array_equal(edges(FACES)[:, 0] == 0, canny(grey))
    assert set(np.unique(edges(FACES))) == {0, 255}


def test_a_step_has_one_edge_and_a_slope_none() -> None:
    step = np.zeros((1, 12, 12), np.float32)
    step[:, :, 6:] = 100
    lines = canny(step)
    assert lines.sum() == 12 and len(np.unique(np.nonzero(lines)[2])) == 1
    slope = np.tile(np.arange(12, dtype=np.float32) * 7, (1, 12, 1))
    assert not canny(slope).any()


def test_noise_is_of_its_sigma_and_clipped() -> None:
    grey = np.full((40, 3, 32, 32), 128, np.uint8)
    noise = denoising(grey, range(40), 25).astype(float) - 128
    assert noise.mean() == pytest.approx(0, abs=0.3)
    assert noise.std() == pytest.approx(np.hypot(25, 1 / np.sqrt(12)), rel=0.01)
    white = denoising(np.full_like(grey, 255), range(40), 25)
    assert (white == 255).mean() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("task", TASKS)
def test_a_source_is_of_its_image_and_index_alone(task: str) -> None:
    options = options_of(task, {"place": "random"} if task == "inpainting" else {}, seed=3)
    before = FACES.copy()
    together = sources_of(task, FACES, INDICES, options)
    np.testing.assert_array_equal(FACES, before)
    for index in INDICES:
        alone = sources_of(task, FACES[index : index + 1], [index], options)
        np.testing.assert_array_equal(alone[0], together[index])
    others = sources_of(task, FACES, range(9, 14), options)
    assert (others != together).any() == TASKS[task].draws
    if TASKS[task].draws:
        assert (sources_of(task, FACES, INDICES, options | {"seed": 4}) != together).any()


@pytest.mark.parametrize(
    ("task", "given", "told"),
    [
        ("ageing", {}, "no task 'ageing'; there are: super-resolution, inpainting"),
        ("edges", {"sigma": 3.0}, "--sigma is for --task denoising, not for edges: leave it out"),
        ("denoising", {"factor": 2}, "--factor is for --task super-resolution, not for denoising"),
    ],
)
def test_tasks_and_options_that_do_not_fit_are_refused(
    task: str, given: dict[str, float], told: str
) -> None:
    with pytest.raises(BadInput, match=told):
        options_of(task, given, 0)


@pytest.mark.parametrize(
    ("task", "given", "says"),
    [
        ("denoising", {"sigma": float("nan")}, "--sigma nan is not above 0 and at most 255"),
        ("denoising", {"sigma": float("inf")}, "--sigma inf is not above 0"),
        ("denoising", {"sigma": 1e39}, "is not above 0 and at most 255"),
        ("super-resolution", {"factor": 0}, "--factor 0 makes nothing smaller"),
    ],
)
def test_values_that_make_no_sources_are_refused(
    task: str, given: dict[str, float], says: str
) -> None:
    with pytest.raises(BadInput, match=says):
        options_of(task, given, 0)


def test_options_are_those_that_matter() -> None:
    assert options_of("inpainting", {"sigma": None}, 7) == {"place": "centre"}
    assert options_of("inpainting", {"place": "random"}, 7) == {"place": "random", "seed": 7}
    assert options_of("denoising", {}, 7) == {"sigma": 25.0, "seed": 7}
    assert options_of("super-resolution", {"factor": 2}, 7) == {"factor": 2}


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a data set of pictures that have names."""
    folder = tmp_path_factory.mktemp("faces")
    synthesize(folder / "synth", num=20, size=16)
    grid = np.load(folder / "synth" / "images.npy")
    (folder / "pictures").mkdir()
    from PIL import Image

    for number, image in enumerate(grid):
        where = folder / "pictures" / f"face {number}.png"
        Image.fromarray(image.transpose(1, 2, 0)).save(where)
    prepare(folder / "pictures", folder / "faces16", size=16, holdout=5, seed=1)
    return folder / "faces16"


def make(*words: object) -> Result:
    return CliRunner().invoke(cli, ["data", "pairs", *map(str, words)])


@pytest.mark.parametrize("task", TASKS)
def test_pairs_are_the_data_sets_images_and_their_sources(
    task: str, faces: Path, tmp_path: Path
) -> None:
    out = tmp_path / "pairs"
    answer = make("--data", faces, "--task", task, "--out", out, "--seed", 5)
    assert answer.exit_code == 0, answer.output
    assert answer.stdout == f"{out}: 20 pairs for {task}, 15 to train on and 5 held out\n"
    dataset = open_dataset(faces)
    names = [line.removesuffix(".png") for line in (faces / "files.txt").read_text().split("\n")]
    options = options_of(task, {}, 5)
    sources = sources_of(task, np.asarray(dataset.images), range(20), options)
    splits: list[tuple[str, slice]] = [("train", slice(15)), ("holdout", slice(15, 20))]
    for split, part in splits:
        made = open_pairs(out, split)  # type: ignore[arg-type]
        assert made.task == task and made.part == split
        order = np.argsort(names[:20][part])
        assert list(made.names) == sorted(names[:20][part])
        np.testing.assert_array_equal(made.targets, dataset.images[part][order])
        np.testing.assert_array_equal(made.sources, sources[part][order])
    about = json.loads((out / "pairs.json").read_text())
    assert about["data"] == dataset.key and about["size"] == 16 and about["options"] == options
    assert about["format"] == 1 and about["count"] == {"train": 15, "holdout": 5}


def test_the_same_pairs_are_kept_and_others_refused(faces: Path, tmp_path: Path) -> None:
    out = tmp_path / "pairs"
    words = ("--data", faces, "--task", "denoising", "--out", out)
    first = make(*words)
    stamp = (out / "pairs.json").stat().st_mtime_ns
    assert make(*words, "--sigma", 25).output == first.output
    assert (out / "pairs.json").stat().st_mtime_ns == stamp
    for others in (("--sigma", 30), ("--seed", 1), ("--task", "edges")):
        error = make(*words, *others).exception
        assert isinstance(error, BadInput) and "exists and was made otherwise" in str(error)
    next((out / "holdout" / "targets").iterdir()).unlink()
    error = make(*words).exception
    assert isinstance(error, BadInput) and "was changed after it was made" in str(error)
    assert "remove it and make the pairs again" in str(error)


@pytest.mark.parametrize("content", ["[]", "{", '{"format": 1}', ""])
def test_what_is_no_set_of_pairs_is_left_alone(content: str, faces: Path, tmp_path: Path) -> None:
    (tmp_path / "pairs.json").write_text(content)
    error = make("--data", faces, "--task", "edges", "--out", tmp_path).exception
    assert isinstance(error, BadInput)
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.json"]


def test_pairs_that_cannot_be_made_leave_nothing(faces: Path, tmp_path: Path) -> None:
    out = tmp_path / "pairs"
    error = make(
        "--data", faces, "--task", "super-resolution", "--factor", 3, "--out", out
    ).exception
    assert isinstance(error, BadInput) and "--factor 3" in str(error)
    assert not list(tmp_path.iterdir())


def test_an_interrupted_making_leaves_nothing(faces: Path, tmp_path: Path) -> None:
    def stopping(*_: object) -> range:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_pairs(faces, tmp_path / "pairs", "edges", track=stopping)
    assert not list(tmp_path.iterdir())


def rename(folder: Path, change: Callable[[int], str]) -> None:
    (folder / "files.txt").write_text("".join(f"{change(place)}\n" for place in range(20)))


@pytest.mark.parametrize(
    "change",
    [
        lambda place: "same.png",
        lambda place: f"{place}.png" if place else "../out.png/..",
        lambda place: f".{place}.png",
        lambda place: f"{place}\\n.png",
        lambda place: f"{'x' * 300}{place}.png",
        lambda place: f"{'aA'[place % 2]}{place // 2}.png",
        lambda place: f"{place}.png\n{place}",
    ],
    ids=["equal", "dots", "hidden", "escapes", "long", "case", "more lines"],
)
def test_names_that_will_not_do_become_numbers(
    change: Callable[[int], str], tmp_path: Path
) -> None:
    synthesize(tmp_path / "faces", num=20, size=16, holdout=0)
    rename(tmp_path / "faces", change)
    make_pairs(tmp_path / "faces", tmp_path / "pairs", "edges")
    assert open_pairs(tmp_path / "pairs", "train").names == tuple(f"{n:06d}" for n in range(20))
    assert not (tmp_path / "pairs" / "holdout").exists()


def test_names_in_folders_are_their_last_part(tmp_path: Path) -> None:
    synthesize(tmp_path / "faces", num=20, size=16, holdout=0)
    rename(tmp_path / "faces", lambda place: f"person {place}/{place}.v1.jpg")
    make_pairs(tmp_path / "faces", tmp_path / "pairs", "edges")
    assert set(open_pairs(tmp_path / "pairs", "train").names) == {f"{n}.v1" for n in range(20)}
