"""Downloads with the loaders' networks taken away, and what stats and sheets say of data."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from facebench.cli import cli
from facebench.data.dataset import open_dataset
from facebench.data.datasets import DOWNLOADS, download
from facebench.data.prepare import prepare, synthesize
from facebench.data.stats import describe
from facebench.errors import BadInput


def facebench(*words: object) -> Result:
    return CliRunner().invoke(cli, list(map(str, words)))


def save_faces(folder: Path, width: int, height: int, count: int = 10) -> None:
    folder.mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)
    for number, pixels in enumerate(noise):
        Image.fromarray(pixels).save(folder / f"{number:03d}.png")


def test_olivetti_comes_from_scikit_learn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faces = np.random.default_rng(0).random((10, 64, 64), np.float32)
    asked: list[dict[str, Any]] = []

    class Bunch:
        images = faces

    def fetch(**options: Any) -> Bunch:
        asked.append(options)
        return Bunch()

    monkeypatch.setattr("sklearn.datasets.fetch_olivetti_faces", fetch)
    answer = facebench("data", "download", "olivetti", tmp_path / "out", "--holdout", 4)
    assert answer.exit_code == 0, answer.output
    assert "Credit AT&T" in answer.output
    assert "6 to train on and 4 held out" in answer.output
    dataset = open_dataset(tmp_path / "out")
    names = (tmp_path / "out" / "files.txt").read_text().split()
    np.testing.assert_array_equal(
        dataset.images[names.index("003.png"), 1], np.rint(faces[3] * 255)
    )
    assert names != sorted(names) and dataset.info["order"] == {"seed": 0}
    assert asked[0]["shuffle"] is False
    download("olivetti", tmp_path / "again", size=32)
    assert len(asked) == 1  # the second time it is in the cache


def test_lfw_comes_from_scikit_learn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(data_home: Path, **_: Any) -> None:
        save_faces(data_home / "lfw_home" / "lfw_funneled" / "Somebody", 50, 50)

    monkeypatch.setattr("sklearn.datasets.fetch_lfw_people", fetch)
    dataset = download("lfw", tmp_path / "out", size=16)
    assert len(dataset) == 10 and dataset.info["crop"] == "none"


def test_celeba_comes_from_torchvision_and_is_cropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(root: str, split: str, download: bool) -> None:
        assert (split, download) == ("all", True)
        save_faces(Path(root) / "celeba" / "img_align_celeba", 178, 218)

    monkeypatch.setitem(sys.modules, "gdown", object())
    monkeypatch.setattr("torchvision.datasets.CelebA", fetch)
    dataset = download("celeba", tmp_path / "out", size=16)
    assert len(dataset) == 10 and dataset.info["crop"] == "celeba"
    assert dataset.info["order"] == "names"


@pytest.mark.parametrize("error", [OSError("no network\nand more"), RuntimeError("quota")])
def test_a_failed_download_is_one_sentence_and_leaves_nothing(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(**_: Any) -> None:
        raise error

    monkeypatch.setattr("sklearn.datasets.fetch_lfw_people", fetch)
    with pytest.raises(BadInput, match=r"could not be downloaded \((no network|quota)\): try"):
        download("lfw", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_missing_loader_is_answered_with_the_pip_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gdown", None)
    with pytest.raises(BadInput, match=r"'gdown'.*pip install 'facebench\[download\]'"):
        download("celeba", tmp_path / "out")


def test_unknown_names_are_refused_naming_the_known(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=f"no data set 'ffhq'; there are: {', '.join(DOWNLOADS)}"):
        download("ffhq", tmp_path / "out")


def test_stats_count_copies_leaks_and_grey_images(tmp_path: Path) -> None:
    save_faces(tmp_path / "pictures", 8, 8, count=6)
    first = (tmp_path / "pictures" / "000.png").read_bytes()
    for name in ("001.png", "005.png"):
        (tmp_path / "pictures" / name).write_bytes(first)
    Image.new("L", (8, 8), 100).save(tmp_path / "pictures" / "002.png")
    dataset = prepare(tmp_path / "pictures", tmp_path / "out", size=8, holdout=1, in_order=True)
    rows = describe(dataset)
    assert rows["images"] == "6 of 8×8"
    assert (rows["train"], rows["holdout"], rows["copies"]) == ("5", "1", "2")
    assert rows["training images held out too"] == "2"
    assert rows["grey images"] == "1"


def test_stats_are_those_of_numpy(tiny_folder: Path) -> None:
    images = open_dataset(tiny_folder).images.astype(float)
    rows = describe(open_dataset(tiny_folder))
    for row, value in (("mean", images.mean((0, 2, 3))), ("deviation", images.std((0, 2, 3)))):
        assert rows[f"{row} R, G, B"] == ", ".join(f"{each:.1f}" for each in value)
    contrast = images.mean(1).std((1, 2)).mean()
    assert rows["contrast"].startswith(f"{contrast:.1f} ")
    printed = facebench("data", "stats", tiny_folder).output
    assert "24 of 32×32" in printed and "holdout" in printed


def read(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture).transpose(2, 0, 1)


def test_sheets_show_what_was_asked_for(tiny_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"

    def sheet(*words: object) -> Result:
        return facebench("data", "sheet", tiny_folder, out, *words)

    assert "4 of 8 images" in sheet("--split", "holdout", "--num", 4, "--first").output
    holdout = open_dataset(tiny_folder).split("holdout").images
    assert read(out).shape == (3, 66, 66)
    np.testing.assert_array_equal(read(out)[:, 34:, 34:], holdout[3])
    drawn = []
    for seed in (0, 0, 1):
        assert "9 of 24" in sheet("--num", 9, "--seed", seed).output
        drawn.append(read(out))
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[0] != drawn[2]).any()


def test_a_sheet_of_an_empty_split_is_refused(tmp_path: Path) -> None:
    synthesize(tmp_path / "faces", num=2, size=8, holdout=0)
    words = ["data", "sheet", tmp_path / "faces", tmp_path / "a.png", "--split", "holdout"]
    error = facebench(*words).exception
    assert isinstance(error, BadInput) and "no holdout images" in str(error)
