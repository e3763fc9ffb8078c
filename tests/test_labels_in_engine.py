"""Classes of both sides through an evaluation: what samplers are asked for, and per-class FID."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from pages import install
from PIL import Image

from facebench.cache.store import FeatureStore, read_key
from facebench.cli import cli
from facebench.data.prepare import prepare
from facebench.engine import evaluate
from facebench.engine.asked_classes import ASKED, ClassBySeed
from facebench.engine.score import evaluate_sets
from facebench.errors import BadInput, RowFailed
from facebench.metrics.per_class import frechet_per_class
from facebench.results.result import Result
from facebench.results.visuals import read_visuals, visuals_folder

NUM = 40
CLASSES = "blue", "green", "red"
LABELS = ["red"] * 20 + ["green"] * 12 + ["blue"] * 8
FEW: dict[str, Any] = {"extractor": "random", "device": "cpu"}


def painted(seed: int, name: str) -> np.ndarray:
    """Noise about the colour that a class is called by."""
    rng = np.random.default_rng((seed, CLASSES.index(name)))
    image = rng.normal(60, 15, (3, 32, 32))
    image[2 - CLASSES.index(name)] += 80
    return image.clip(0, 255).astype(np.uint8)


class Painter:
    """A conditional sampler that remembers what it was asked for."""

    classes: Sequence[str] = CLASSES

    def __init__(self) -> None:
        self.asked: dict[int, set[str | None]] = {}

    def sample(self, seeds: Sequence[int], labels: Sequence[str] | None = None) -> np.ndarray:
        names = labels or [CLASSES[seed % 3] for seed in seeds]
        for seed, name in zip(seeds, names, strict=True):
            self.asked.setdefault(int(seed), set()).add(name if labels else None)
        return np.stack([painted(*each) for each in zip(seeds, names, strict=True)])


class Numbered(Painter):
    """The same, its classes by number."""

    classes = "0", "1", "2"

    def sample(self, seeds: Sequence[int], labels: Sequence[str] | None = None) -> np.ndarray:
        assert labels, "it is asked"
        return super().sample(seeds, [CLASSES[int(name)] for name in labels])


def save_pictures(folder: Path, labels: Sequence[str], told: bool = True) -> Path:
    """Save a picture of each class that is named, and the names as StyleGAN's data sets do."""
    folder.mkdir()
    for i, name in enumerate(labels):
        image = painted(10_000 + i, name).transpose(1, 2, 0)
        Image.fromarray(image).save(folder / f"{i:03}.png")
    if told:
        told_of = [[f"{i:03}.png", name] for i, name in enumerate(labels)]
        lines = [json.dumps({"file_name": file, "label": name}) for file, name in told_of]
        (folder / "metadata.jsonl").write_text("\n".join(lines))
    return folder


@pytest.fixture
def real(tmp_path: Path) -> Path:
    return save_pictures(tmp_path / "real", LABELS)


def only(real: Any, fake: Any, **options: Any) -> Result:
    evaluation = evaluate_sets(real, {"row": fake}, **(FEW | {"num": NUM} | options))
    for error in evaluation.failures.values():
        raise error
    (result,) = evaluation.results
    return result


def test_a_class_is_a_function_of_the_seed_in_the_references_shares() -> None:
    classes = ClassBySeed(np.array(LABELS))
    assert Counter(classes.of(range(NUM))) == Counter(LABELS)
    assert Counter(classes.of(range(7, 7 + 2 * NUM))) == Counter(LABELS * 2)
    assert classes.of([3, 3 + NUM, 10**30]) == [classes.of([k])[0] for k in (3, 3, 10**30 % NUM)]
    assert {*classes.of(range(12))} == {*CLASSES}  # though they lie class by class
    other = ClassBySeed(np.array(LABELS[::-1]))
    assert classes.digest(range(NUM)) != other.digest(range(NUM))


def test_a_sampler_is_asked_for_the_classes_of_the_reference(real: Path, tmp_path: Path) -> None:
    painter = Painter()
    result = only(real, painter, out=tmp_path / "out", batch_size=7)
    assert ASKED in result.notes
    assert {*painter.asked} == {*range(NUM)}
    assert all(len(names) == 1 for names in painter.asked.values())  # witnesses, and galleries
    asked = [next(iter(painter.asked[seed])) for seed in range(NUM)]
    assert Counter(asked) == Counter(LABELS)
    found = result.metrics["fd_class_random"]
    assert [*found.classes] == [*CLASSES] and found.floor is not None and found.low is not None
    assert found.value < 3 * found.floor
    assert read_visuals(visuals_folder(tmp_path / "out", "row")).galleries


def test_each_class_is_compared_with_its_own(real: Path) -> None:
    class Swapped(Painter):
        def sample(self, seeds: Any, labels: Any = None) -> np.ndarray:
            other = {"red": "green", "green": "red", "blue": "blue"}
            return super().sample(seeds, [other[name] for name in labels])

    right, wrong = only(real, Painter()), only(real, Swapped())
    key = "fd_class_random"
    assert wrong.metrics[key].value > 10 * right.metrics[key].value
    assert wrong.metrics[key].classes["blue"] == pytest.approx(right.metrics[key].classes["blue"])


def test_more_classes_than_the_references_are_no_hindrance_fewer_are(real: Path) -> None:
    knows_more, knows_less = Painter(), Painter()
    knows_more.classes, knows_less.classes = ("violet", *CLASSES), CLASSES[:1]
    assert ASKED in only(real, knows_more).notes
    result = only(real, knows_less)
    assert {name for names in knows_less.asked.values() for name in names} == {None}
    said = "of which it does not know green, red: it chose classes itself"
    assert f"not asked for the reference's classes, {said}" in result.notes
    assert "no fid_class: its images have no classes" in result.notes
    assert "fd_random" in result.metrics and "fd_class_random" not in result.metrics


def test_classes_that_are_no_names_fail_the_row(real: Path) -> None:
    painter = Painter()
    painter.classes = ()
    with pytest.raises(BadInput, match="must be different names"):
        only(real, painter)


def test_a_reference_without_classes_asks_for_none(tmp_path: Path) -> None:
    real, painter = save_pictures(tmp_path / "plain", LABELS, told=False), Painter()
    result = only(real, painter)
    assert {name for names in painter.asked.values() for name in names} == {None}
    assert "fd_random" in result.metrics and "fd_class_random" not in result.metrics
    assert not any("class" in note for note in result.notes)
    with pytest.raises(BadInput, match=r"fid_class needs a class for each image, and plain has no"):
        only(real, painter, metrics="fid,fid_class")


def test_images_without_classes_have_all_else(real: Path, tmp_path: Path) -> None:
    plain = save_pictures(tmp_path / "plain", LABELS, told=False)
    result = only(real, plain)
    assert "fd_random" in result.metrics and "fd_class_random" not in result.metrics
    assert "no fid_class: its images have no classes" in result.notes and not result.failed
    with pytest.raises(BadInput, match="fid_class needs a class for each image, and row has none"):
        only(real, plain, metrics="fid_class")


def test_classes_called_otherwise_are_named_and_left_out(real: Path, tmp_path: Path) -> None:
    images = np.stack([painted(i, LABELS[i]) for i in range(NUM)])
    np.savez(tmp_path / "n.npz", images, np.arange(NUM) % 5)
    result = only(real, tmp_path / "n.npz")
    told = "its classes are 0, 1, 2 and 2 more, the real ones' blue, green, red"
    assert f"no fid_class: no class has 2 images on both sides; {told}" in result.notes
    assert not result.failed


def of_pictures(folder: Path, numbers: Sequence[int]) -> Path:
    save_pictures(folder, [CLASSES[i] for i in numbers], told=False)
    labels = [[f"{i:03}.png", number] for i, number in enumerate(numbers)]
    (folder / "dataset.json").write_text(json.dumps({"labels": labels}))
    return folder


def of_an_npz(folder: Path, numbers: Sequence[int]) -> Path:
    images = np.stack([painted(10_000 + i, CLASSES[k]) for i, k in enumerate(numbers)])
    path = folder.with_suffix(".npz")
    np.savez(path, images.transpose(0, 2, 3, 1), np.array(numbers))
    return path


def of_a_data_set(folder: Path, numbers: Sequence[int]) -> Path:
    source = of_pictures(folder.with_name("source"), numbers)
    return prepare(source, folder, size=32, holdout=0, in_order=True).folder


FORMS = of_pictures, of_an_npz, of_a_data_set


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("other", FORMS)
def test_every_form_of_labels_on_both_sides(
    form: Callable[..., Path], other: Callable[..., Path], tmp_path: Path
) -> None:
    numbers, fewer = [i % 3 for i in range(NUM)], [0, 1] * 15
    for name in ("of the real", "of the fake"):
        (tmp_path / name).mkdir()
    real = form(tmp_path / "of the real" / "real", numbers)
    result = only(real, other(tmp_path / "of the fake" / "fake", fewer), num=None)
    value = result.metrics["fd_class_random"]
    assert [*value.classes] == ["0", "1"]
    assert any("2 of 3, without 2, only real images have" in note for note in result.notes)
    assert [*only(real, Numbered()).metrics["fd_class_random"].classes] == ["0", "1", "2"]


def test_the_value_is_that_of_features_and_labels_by_hand(tmp_path: Path) -> None:
    from facebench.features.random import RandomFeatures

    images, labels = {}, {}
    for side, shift in (("real", 0), ("fake", 500)):
        labels[side] = np.arange(NUM) % 3
        images[side] = np.stack([painted(shift + i, CLASSES[i % 3]) for i in range(NUM)])
        np.savez(tmp_path / f"{side}.npz", images[side], labels[side])
    network = RandomFeatures("cpu")
    x, y = (network.extract(images[side], 64)["features"] for side in ("real", "fake"))
    expected = frechet_per_class(x, y, labels["real"], labels["fake"])
    found = only(tmp_path / "real.npz", tmp_path / "fake.npz").metrics["fd_class_random"]
    assert found.value == pytest.approx(expected.value, rel=1e-5)
    assert found.classes == pytest.approx(dict(expected.classes), rel=1e-5)


def test_the_floor_is_of_training_images_of_the_same_classes(tmp_path: Path) -> None:
    source = save_pictures(tmp_path / "source", LABELS * 2)
    data = prepare(source, tmp_path / "data", size=32, holdout=NUM)
    found = evaluate({"row": Painter()}, data.folder, sanity=True, **FEW)
    assert not found.failures
    rows = {result.model: result.metrics["fd_class_random"] for result in found.results}
    assert rows["row"].floor == pytest.approx(rows["sanity-copycat"].value, rel=1e-6)
    assert rows["sanity-noise"].value > rows["sanity-copycat"].value


def test_an_image_may_not_depend_on_the_labels_of_others(real: Path) -> None:
    class Mean(Painter):
        def sample(self, seeds: Any, labels: Any = None) -> np.ndarray:
            return super().sample(seeds, [labels[0]] * len(seeds))

    with pytest.raises(RowFailed, match="changes with the batch"):
        only(real, Mean())


PLUGIN = """
import numpy as np

class Painter:
    files = ()
    classes = "blue", "green", "red"

    def __init__(self, path):
        open("opened", "a").write("x")

    def sample(self, seeds, labels=None):
        names = labels or [self.classes[seed % 3] for seed in seeds]
        return np.stack([self.paint(*each) for each in zip(seeds, names)])

    def paint(self, seed, name):
        rng = np.random.default_rng((seed, self.classes.index(name)))
        image = rng.normal(60, 15, (3, 32, 32))
        image[2 - self.classes.index(name)] += 80
        return image.clip(0, 255).astype(np.uint8)

class Unnamed(Painter):
    @property
    def files(self):
        raise AttributeError

class Plain(Unnamed):
    def sample(self, seeds):
        return super().sample(seeds)
"""


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    site = tmp_path / "site"
    site.mkdir()
    homes = {name.lower(): f"painting:{name}" for name in ("Painter", "Unnamed", "Plain")}
    install(site, "painting", PLUGIN, {"facebench.adapters": homes})
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.chdir(tmp_path)
    Path("m.bin").touch()
    return lambda name: f"{name}:m.bin"


@pytest.mark.processes
@pytest.mark.parametrize("name", ["painter", "unnamed"])
def test_a_model_in_its_process_is_asked_as_an_object_is(
    name: str, model: Callable[[str], str], real: Path, tmp_path: Path
) -> None:
    row, here = only(real, model(name), out=tmp_path / "out"), only(real, Painter())
    assert ASKED in row.notes and row.images == NUM
    for key in ("fd_random", "fd_class_random", "recall"):
        assert row.metrics[key].value == here.metrics[key].value
    assert read_visuals(visuals_folder(tmp_path / "out", "row")).galleries
    opened = len(Path("opened").read_text())
    again = only(real, model(name))
    assert again.images == 0 and again.metrics == row.metrics
    assert ASKED in again.notes and again.model_digest == row.model_digest
    assert (len(Path("opened").read_text()) == opened) == (name == "painter")


@pytest.mark.processes
def test_a_model_without_classes_is_opened_no_more_often_for_it(
    model: Callable[[str], str], real: Path
) -> None:
    for count in (1, 2):
        result = only(real, model("plain"))
        assert "no fid_class: its images have no classes" in result.notes
        assert Path("opened").read_text() == "x" * count


@pytest.mark.processes
def test_a_function_of_seeds_and_labels_is_asked(
    model: Callable[[str], str], real: Path, tmp_path: Path
) -> None:
    lines = "draw = lambda seeds, labels=None: Painter('').sample(seeds, labels)"
    Path("mine.py").write_text(f"{PLUGIN}\n{lines}\ndraw.classes = Painter.classes\n")
    row, here = only(real, "python+takes=seeds:mine.py:draw"), only(real, Painter())
    assert ASKED in row.notes and row.metrics.keys() == here.metrics.keys()
    for key in ("fd_random", "fd_class_random"):
        assert row.metrics[key].value == here.metrics[key].value


@pytest.mark.processes
def test_what_was_asked_is_part_of_what_is_kept(
    model: Callable[[str], str], real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facebench.engine.extract.CHUNK", 16)
    plain = save_pictures(tmp_path / "plain", LABELS, told=False)
    others = save_pictures(tmp_path / "others", LABELS[::-1])
    rows = [only(each, model("painter")) for each in (plain, real, others, plain, real)]
    assert [row.images for row in rows] == [NUM, NUM, NUM, 0, 0]
    assert len({row.model_digest for row in rows}) == 3
    records = FeatureStore(tmp_path / "cache" / "features").records()
    keys = [json.loads(read_key(record.path)) for record in records]
    of_painter = [key for key in keys if "painting" in key["source"]]
    assert sum("classes" not in key for key in of_painter) == 3 + 1  # chunks, and those shown
    assert len({key.get("classes") for key in of_painter}) == 1 + 2 * 3
    told = CliRunner().invoke(cli, ["store", "list"], catch_exceptions=False).output
    assert len([line for line in told.splitlines() if "paint" in line and "random" in line]) == 2, (
        told
    )


@pytest.mark.processes
def test_a_model_of_which_is_not_known_whether_it_has_classes_is_opened_once(
    model: Callable[[str], str], real: Path, tmp_path: Path
) -> None:
    only(real, model("painter"))
    (kept,) = (tmp_path / "cache" / "features" / "models").glob("*.json")
    record = json.loads(kept.read_text())
    del record["classes"]  # as it was written before there were any
    kept.write_text(json.dumps(record))
    opened = [len(Path("opened").read_text())]
    for _ in range(2):
        assert ASKED in only(real, model("painter")).notes
        opened.append(len(Path("opened").read_text()))
    assert opened[1] == opened[0] + 1 and opened[2] == opened[1]
