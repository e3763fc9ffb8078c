"""Which pictures come first, and which are held out, is chance: by name it would be a class."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from facebench.cli import cli
from facebench.data.dataset import Dataset, open_dataset
from facebench.data.pictures import random_order
from facebench.data.prepare import prepare, synthesize
from facebench.data.stats import compare_splits
from facebench.errors import BadInput

CHILDREN, WOMEN = 100, 20


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    """Give class folders of pictures of noise, those of women somewhat brighter."""
    rng = np.random.default_rng(0)
    for name, count, level in (("child", CHILDREN, 100), ("woman", WOMEN, 120)):
        (tmp_path / "classes" / name).mkdir(parents=True)
        for number in range(count):
            grey = rng.normal(level, 10) + rng.normal(0, 20, (16, 16, 3))
            pixels = grey.clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "classes" / name / f"{number:03}.png")
    return tmp_path / "classes"


def files(dataset: Dataset) -> list[str]:
    return (dataset.folder / "files.txt").read_text(encoding="utf-8").splitlines()


def women(names: list[str]) -> int:
    return sum(name.startswith("woman/") for name in names)


def test_a_random_order_holds_every_number_once_and_stays() -> None:
    assert sorted(random_order(1000).tolist()) == list(range(1000))
    assert random_order(8).tolist() == [0, 2, 1, 5, 4, 3, 6, 7]  # on every machine, NumPy and day
    assert random_order(8, 1).tolist() != random_order(8).tolist()
    assert abs(np.corrcoef(np.arange(1000), random_order(1000))[0, 1]) < 0.1


def test_every_class_is_held_out_in_its_share(classes: Path, tmp_path: Path) -> None:
    dataset = prepare(classes, tmp_path / "out", size=8, holdout=40)
    names = files(dataset)
    assert sorted(names) == [f"child/{i:03}.png" for i in range(CHILDREN)] + [
        f"woman/{i:03}.png" for i in range(WOMEN)
    ]
    assert 2 <= women(names[-40:]) <= 14  # 6.7 expected; by name it would be 20
    assert dataset.info["order"] == {"seed": 0}


def test_files_txt_says_which_picture_an_image_was(classes: Path, tmp_path: Path) -> None:
    dataset = prepare(classes, tmp_path / "out", size=16)
    for image, name in zip(dataset.images[:20], files(dataset), strict=False):
        expected = np.asarray(Image.open(classes / name)).transpose(2, 0, 1)
        np.testing.assert_array_equal(image, expected)


def test_another_seed_is_another_order_of_the_same(classes: Path, tmp_path: Path) -> None:
    first, again, other = (
        prepare(classes, tmp_path / name, size=8, seed=seed)
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert files(first) == files(again) and first.digest == again.digest
    assert files(first) != files(other) and sorted(files(first)) == sorted(files(other))
    assert first.info["source"] == other.info["source"]


def test_in_order_keeps_that_of_the_names(classes: Path, tmp_path: Path) -> None:
    dataset = prepare(classes, tmp_path / "out", size=8, in_order=True)
    assert files(dataset) == sorted(files(dataset))
    assert women(files(dataset)[-12:]) == 12
    assert dataset.info["order"] == "names"


def test_an_older_data_set_opens_and_was_in_order(classes: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare(classes, out, size=8, in_order=True)
    info = json.loads((out / "dataset.json").read_text())
    for key in ("order", "left_out"):
        del info[key]
    (out / "dataset.json").write_text(json.dumps(info))
    (out / "files.txt").unlink()
    assert len(prepare(classes, out, size=8, in_order=True)) == CHILDREN + WOMEN
    with pytest.raises(BadInput, match="made otherwise"):
        prepare(classes, out, size=8)
    assert "prepare again into another folder" in compare_splits(open_dataset(out))


def test_a_tenth_is_one_of_what_can_be_read(classes: Path, tmp_path: Path) -> None:
    for path in sorted((classes / "child").iterdir())[:90]:
        path.write_bytes(b"")
    dataset = prepare(classes, tmp_path / "out", size=8, skip_unreadable=True)
    assert dataset.info["splits"] == {"train": [0, 27], "holdout": [27, 30]}
    assert dataset.info["skipped"] == [f"child/{i:03}.png" for i in range(90)]
    assert len(files(dataset)) == 30
    assert prepare(classes, tmp_path / "out", size=8, skip_unreadable=True).info == dataset.info


def test_of_nothing_readable_no_data_set_is_made(classes: Path, tmp_path: Path) -> None:
    for path in classes.glob("*/*"):
        path.write_bytes(b"")
    with pytest.raises(BadInput, match="0 images: give at least one that can be read"):
        prepare(classes, tmp_path / "out", size=8, skip_unreadable=True)


def test_stats_warn_of_class_folders_by_name_and_say_the_way_out(
    classes: Path, tmp_path: Path
) -> None:
    dataset = prepare(classes, tmp_path / "out", size=8, in_order=True)
    answer = CliRunner().invoke(cli, ["data", "stats", str(dataset.folder)])
    assert answer.output.splitlines()[-1].startswith(
        "train and hold-out differ beyond noise (p = 0.001): prepare again without --in-order"
    )
    assert "look alike" in compare_splits(prepare(classes, tmp_path / "again", size=8))


def test_stats_warn_of_equal_parts_as_rarely_as_they_say(tmp_path: Path) -> None:
    faces = synthesize(tmp_path / "faces", num=200, size=8, holdout=40)
    drawn = (faces.images[random_order(200, seed)] for seed in range(100))
    said = [compare_splits(replace(faces, images=images)) for images in drawn]
    assert sum("beyond noise" in line for line in said) <= 5  # 1 expected; more once in 2,000 runs
    p = [float(line[line.index("= ") + 2 : line.index(")")]) for line in said]
    assert 0.4 < np.mean(p) < 0.6  # of a p-value that is one


def test_stats_of_one_image_or_of_copies_say_no_more_than_they_can(tmp_path: Path) -> None:
    one = synthesize(tmp_path / "one", num=5, size=8, holdout=1)
    assert compare_splits(one) == "train and hold-out cannot be compared: 4 and 1 images"
    (tmp_path / "grey").mkdir()
    for number in range(20):
        Image.new("L", (8, 8), 77).save(tmp_path / "grey" / f"{number}.png")
    grey = prepare(tmp_path / "grey", tmp_path / "out", size=8)
    assert compare_splits(grey) == "train and hold-out look alike (p = 1.000)"
