"""Two sets of images and one answer, whatever files they are and however large the pictures."""

import json
import tarfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import ExifTags, Image

import facebench
from facebench.cli import cli
from facebench.data.dataset import open_dataset
from facebench.data.pictures import random_order
from facebench.data.prepare import prepare
from facebench.engine import evaluate
from facebench.engine.score import evaluate_sets
from facebench.errors import BadInput
from facebench.features.random import RandomFeatures
from facebench.metrics import frechet_distance
from facebench.results.result import read_result
from facebench.results.visuals import read_visuals
from facebench.samplers.picture_set import open_picture_set
from facebench_pca.train import command as train_pca

RNG = np.random.default_rng(17)
FEW: dict[str, Any] = {"metrics": "fid", "extractor": "random", "device": "cpu"}

Save = Callable[..., Path]


def picture(height: int, width: int) -> np.ndarray:
    """A picture that is not mere noise: its mean and its slope are its own."""
    rows = np.linspace(0, 1, height)[:, None, None] * RNG.uniform(0, 60, 3)
    base = rows + RNG.uniform(60, 150, 3) + RNG.normal(0, 15, (height, width, 3))
    return base.clip(0, 255).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Save:
    """Save pictures of the given sizes (height, width), again and again, in a folder."""

    def save(name: str, count: int, *sizes: tuple[int, int], suffix: str = ".png") -> Path:
        (tmp_path / name).mkdir()
        for i in range(count):
            image = Image.fromarray(picture(*sizes[i % len(sizes)]))
            image.save(tmp_path / name / f"{i:03}{suffix}")
        return tmp_path / name

    return save


@pytest.fixture
def pca_run(folder: Save, tmp_path: Path) -> Path:
    prepare(folder("trained-on", 40, (16, 16)), tmp_path / "data", size=16)
    words = ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "run"), "--components", "4"]
    assert CliRunner().invoke(train_pca, words).exit_code == 0
    return tmp_path / "run"


def read(folder: Path) -> list[np.ndarray]:
    return [
        np.asarray(Image.open(file)).transpose(2, 0, 1)[None] for file in sorted(folder.iterdir())
    ]


def one_by_one(folder: Path) -> np.ndarray:
    network = RandomFeatures("cpu")
    return np.concatenate([network.extract(image, 1)["features"] for image in read(folder)])


def quietly(real: Any, fake: Any, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return facebench.score(real, fake, **(FEW | options))


def test_pictures_of_every_size_score_as_each_alone_would(folder: Save) -> None:
    real = folder("real", 40, (64, 64), (30, 50), (80, 41))
    fake = folder("fake", 33, (64, 64), (48, 48))
    found = quietly(real, fake)["fake"]["fd_random"]
    expected = frechet_distance(one_by_one(real), one_by_one(fake))
    assert found["value"] == pytest.approx(expected, rel=1e-6)
    assert found["n"] == 33
    assert found["low"] < found["value"] < found["high"]
    assert 0 < found["floor"] < found["value"]


def test_no_score_depends_on_the_batch(folder: Save) -> None:
    real, fake = folder("real", 24, (20, 30), (40, 40)), folder("fake", 24, (16, 16))
    values = [quietly(real, fake, batch_size=size)["fake"] for size in (1, 7, 64)]
    assert values[0]["fd_random"]["value"] == pytest.approx(values[1]["fd_random"]["value"])
    assert values[1]["fd_random"]["value"] == pytest.approx(values[2]["fd_random"]["value"])


def test_a_block_of_several_chunks_may_be_of_many_sizes(
    folder: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, fake = folder("real", 24, (20, 30), (40, 40)), folder("fake", 24, (16, 16), (18, 18))
    whole = quietly(real, fake)["fake"]["fd_random"]["value"]
    monkeypatch.setattr("facebench.engine.extract.CHUNK", 5)
    parts = quietly(real, fake, batch_size=11)["fake"]["fd_random"]["value"]
    assert parts == pytest.approx(whole)


def test_anything_that_opens_may_stand_on_either_side(
    folder: Save, tiny_folder: Path, tmp_path: Path
) -> None:
    real = folder("real", 20, (32, 32))
    images = np.concatenate(read(real))
    np.save(tmp_path / "array.npy", images)
    same = {"folder": real, "npy": tmp_path / "array.npy", "array": images}
    for name, fake in same.items():
        found = quietly(images, {name: fake})[name]["fd_random"]
        assert found["value"] == pytest.approx(0, abs=1e-6), name

    def sampler(seeds: list[int]) -> np.ndarray:
        return images[np.asarray(seeds) % 20]

    assert quietly(real, sampler, num=20)["sampler"]["fd_random"]["value"] < 1e-6
    assert quietly(sampler, {"r": real}, num=20)["r"]["fd_random"]["value"] < 1e-6
    prepared = quietly(tiny_folder, {"itself": open_dataset(tiny_folder).images})
    assert prepared["itself"]["fd_random"]["value"] == pytest.approx(0, abs=1e-6)
    assert prepared["itself"]["fd_random"]["n"] == len(open_dataset(tiny_folder).split("all"))


def test_an_adm_batch_is_scored_against_a_labelled_sample_file(tmp_path: Path) -> None:
    images = np.stack([picture(24, 24) for _ in range(20)])
    spatial = {"mu_s": np.zeros(7), "sigma_s": np.eye(7)}
    labels = np.arange(20) % 2
    beside: dict[str, Any] = {"mu": np.zeros(2048), "sigma": np.eye(2048)} | spatial
    np.savez(tmp_path / "batch.npz", images, labels, **beside)
    np.savez(tmp_path / "samples.npz", images[::-1], labels)
    found = quietly(tmp_path / "batch.npz", tmp_path / "samples.npz")["samples"]["fd_random"]
    assert found["value"] == pytest.approx(0, abs=1e-6)
    assert found["n"] == 20


def test_a_tar_is_read_by_many_threads(folder: Save, tmp_path: Path) -> None:
    real = folder("real", 60, (32, 32), (20, 30))
    with tarfile.open(tmp_path / "real.tar.gz", "w:gz") as archive:
        archive.add(real, "real")
    there = quietly(real, tmp_path / "real.tar.gz", batch_size=3)["real.tar"]["fd_random"]
    assert there["value"] == pytest.approx(0, abs=1e-6)


def test_a_picture_on_its_side_has_the_size_that_it_is_seen_in(folder: Save) -> None:
    lying = folder("lying", 8, (20, 40))
    for file in lying.iterdir():
        image = Image.open(file)
        exif = image.getexif()
        exif[ExifTags.Base.Orientation] = 6
        image.rotate(90, expand=True).save(file, exif=exif)
    assert open_picture_set(lying).looks.sizes == {open_picture_set(lying).picture(0).shape[1:]: 8}


def test_all_images_are_used_unless_fewer_are_asked_for(folder: Save) -> None:
    real, a, b = folder("real", 20, (32, 32)), folder("a", 30, (32, 32)), folder("b", 25, (32, 32))
    both = quietly(real, [a, b])
    assert [both[name]["fd_random"]["n"] for name in ("a", "b")] == [30, 25]
    assert quietly(real, [a, b], num=12)["b"]["fd_random"]["n"] == 12
    with pytest.raises(BadInput, match=r"a holds 30 pictures, and seed 30 is beyond"):
        quietly(real, [a, b], num=31)


def test_what_is_hard_to_compare_is_said_in_a_line_each(folder: Save) -> None:
    real = folder("real", 20, (40, 32), suffix=".jpg")
    fake = folder("fake", 15, (64, 64))
    with pytest.warns(UserWarning, match="fake: ") as said:
        facebench.score(real, fake, **FEW)
    text = "\n".join(str(each.message) for each in said)
    assert "fake: 15 generated and 20 real images: of fewer than 500" in text
    assert "15 generated images against 20 real ones" in text
    assert "its images are 64×64 pixels and the real ones 32×40" in text
    assert "its images are PNG files and the real ones JPEG files" in text


def test_a_remark_on_numbers_stays_where_fewer_are_asked_for(folder: Save) -> None:
    real, fake = folder("real", 20, (32, 32)), folder("fake", 18, (32, 32))
    [result] = evaluate_sets(real, fake, num=12, **FEW).results
    assert any("12 generated images against 20 real ones" in note for note in result.notes)


def test_the_floor_is_of_as_many_real_images_against_the_rest(folder: Save) -> None:
    real = folder("real", 40, (32, 32))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        few = facebench.score(real, folder("fake", 10, (32, 32)), **FEW)["fake"]["fd_random"]
    features = one_by_one(real)[random_order(40)]
    expected = frechet_distance(features[10:], features[:10])
    assert few["floor"] == pytest.approx(expected, rel=1e-6)


def test_a_floor_does_not_depend_on_the_order_that_data_were_prepared_in(
    folder: Save, tmp_path: Path
) -> None:
    """Dark ones first: one half against the other would be of dark against bright."""
    real = folder("real", 60, (16, 16))
    for number, file in enumerate(sorted(real.iterdir())):
        Image.open(file).point(lambda v, n=number: v // 4 if n < 30 else v).save(file)
    floors = []
    for in_order in (True, False):
        out = tmp_path / f"in-order-{in_order}"
        prepare(real, out, size=16, in_order=in_order)
        found = quietly(out, folder(f"fake-{in_order}", 30, (16, 16)))
        floors.append(found[f"fake-{in_order}"]["fd_random"]["floor"])
    assert 0.5 < floors[0] / floors[1] < 2


def test_what_is_scored_against_itself_is_told(folder: Save) -> None:
    real = folder("real", 12, (16, 16))
    [result] = evaluate_sets(real, real, **FEW).results
    assert "its images are the real ones themselves" in result.notes


def test_other_tools_definitions_do_not_turn_pictures(folder: Save) -> None:
    real, fake = folder("real", 12, (16, 16)), folder("fake", 12, (16, 16))
    Image.new("RGBA", (16, 16), (9, 9, 9, 0)).save(fake / "000.png")
    modes = ("facebench", "torch-fidelity")
    [[ours], [theirs]] = [
        evaluate_sets(real, fake, **(FEW | {"mode": mode})).results for mode in modes
    ]
    said = "transparent (1 here) are decoded otherwise by torch-fidelity"
    assert not any(said in note for note in ours.notes)
    assert any(said in note for note in theirs.notes)


def test_like_sets_have_nothing_said_of_files_and_sizes(folder: Save) -> None:
    sets = folder("real", 20, (32, 32)), folder("fake", 20, (32, 32))
    [result] = evaluate_sets(*map(str, sets), **FEW).results
    assert not [note for note in result.notes if "pixels" in note or "files" in note]


def test_a_metric_of_one_size_is_refused_or_left_out_where_there_are_several(
    folder: Save, tmp_path: Path
) -> None:
    several, one = folder("several", 12, (40, 40), (48, 40)), folder("one", 12, (40, 40))
    with pytest.raises(BadInput, match="lpips_diversity needs images of one size, and several has"):
        evaluate_sets(several, one, extractor="random", metrics="fid,lpips_diversity")


def test_a_board_shows_pictures_of_all_sizes(folder: Save, tmp_path: Path) -> None:
    real, fake = folder("real", 20, (40, 32), (64, 64)), folder("fake", 20, (30, 30), (52, 20))
    evaluation = evaluate_sets(real, fake, out=tmp_path / "out", **FEW)
    assert not evaluation.failures
    [result] = evaluation.results
    assert (result.protocol.size, result.protocol.crop) == (0, "uncropped")
    galleries = read_visuals(tmp_path / "out" / "exhibits" / "fake").galleries
    assert {*galleries} == {"nearest", "farthest", "uncovered"}
    assert read_result(tmp_path / "out" / "fake.json") == result


def test_eval_takes_pictures_as_a_reference(folder: Save, tiny_folder: Path) -> None:
    real, fake = folder("real", 20, (40, 40)), folder("fake", 20, (64, 64))
    [result] = evaluate(f"fake=images:{fake}", real, **FEW).results
    assert result.protocol.split == "all"
    assert result.protocol.size == 40
    with pytest.raises(BadInput, match="has no split 'holdout', for it is not a prepared data set"):
        evaluate(f"fake=images:{fake}", real, split="holdout", **FEW)


def test_several_networks_look_in_one_pass(folder: Save) -> None:
    real, fake = folder("real", 20, (40, 40)), folder("fake", 20, (64, 64))
    names = "random,test_score:means"
    both = quietly(real, fake, extractor=names, metrics="fid,kid,precision")["fake"]
    assert {*both} == {
        *("fd_random", "kd_random", "precision", "fd_test_score:means", "kd_test_score:means")
    }
    alone = quietly(real, fake, extractor="test_score:means")["fake"]
    assert alone["fd_test_score:means"]["value"] == both["fd_test_score:means"]["value"]


def means(device: str) -> Any:
    return lambda images: images.float().mean((2, 3))


def test_rows_are_called_as_their_folders_are(folder: Save, tmp_path: Path) -> None:
    real = folder("my reals (2)", 8, (16, 16))
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "images").symlink_to(real)
    paths = [real, tmp_path / "one" / "images", f"named={tmp_path / 'two' / 'images'}"]
    assert [*quietly(real, [str(path) for path in paths])] == ["my-reals-2", "images", "named"]
    both = [tmp_path / "one" / "images", tmp_path / "two" / "images"]
    assert [*quietly(real, both)] == ["one-images", "two-images"]
    with pytest.raises(BadInput, match="'leaderboard' cannot name a model"):
        quietly(real, f"leaderboard={real}")


@pytest.mark.processes
def test_a_model_may_stand_on_either_side(folder: Save, pca_run: Path) -> None:
    fake = folder("fake", 12, (16, 16))
    there = quietly(pca_run, fake, num=12)["fake"]["fd_random"]
    back = quietly(fake, f"mine=pca:{pca_run}")["mine"]["fd_random"]
    [checkpoint] = (pca_run / "checkpoints").iterdir()
    again = quietly(fake, f"{pca_run}@{int(checkpoint.stem.removeprefix('step-'))}")
    [last] = [each["fd_random"] for each in again.values()]
    assert last["value"] == pytest.approx(back["value"], rel=1e-6)
    assert (there["n"], back["n"]) == (12, 12)
    assert there["value"] != back["value"]  # the model's images are others than as a fake


def test_a_set_too_small_for_a_metric_is_refused_alone(folder: Save) -> None:
    real, few, fake = (
        folder("real", 9, (16, 16)),
        folder("few", 4, (16, 16)),
        folder("fake", 9, (16, 16)),
    )
    evaluation = evaluate_sets(real, [few, fake], extractor="random", metrics="precision")
    assert "precision needs at least 6 images a side and few gives 4" in str(
        evaluation.failures["few"]
    )
    assert [result.model for result in evaluation.results] == ["fake"]


@pytest.mark.parametrize(
    ("real", "fake", "says"),
    [
        ("nowhere", "fake", "There is no file or folder nowhere"),
        ("real", "nowhere", "There is no file or folder nowhere"),
        ("empty", "fake", "empty holds no pictures"),
        ("real", "empty", "empty holds no pictures"),
        ("real", "a=fake,", "There is no file or folder fake,"),
        ("vae:real", "fake", "gives any number of images: say how many with --num"),
        ("real", "oddity:fake", "There is no adapter 'oddity'"),
    ],
)
def test_what_cannot_be_opened_is_one_sentence(
    real: str, fake: str, says: str, folder: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder("real", 8, (16, 16)), folder("fake", 8, (16, 16)), folder("empty", 0)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match=says):
        quietly(real, fake)


def test_the_command_prints_one_table_or_json(
    folder: Save, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    real, fake = folder("real", 20, (32, 32)), folder("fake", 16, (24, 24))
    words = ["score", str(real), f"mine={fake}", "--extractor", "random", "--metrics", "fid"]
    cli(words, standalone_mode=False)
    shown = capsys.readouterr().out
    assert "mine" in shown and "Fréchet distance" in shown
    assert "16 generated images against 20 real ones" in shown.replace("\n", " ")
    cli([*words, "--json", "--out", str(tmp_path / "first")], standalone_mode=False)
    answer = capsys.readouterr()
    found = json.loads(answer.out)
    assert "16 generated images against 20 real ones" in answer.err
    assert {*found["mine"]["fd_random"]} == {"value", "low", "high", "floor", "n"}
    cli([*words, "--out", str(tmp_path / "board")], standalone_mode=False)
    assert (tmp_path / "board" / "leaderboard.html").is_file()


def test_one_unreadable_picture_is_named(folder: Save, shared: Path) -> None:
    real, fake = folder("real", 8, (16, 16)), folder("fake", 8, (16, 16))
    truncated = (shared / "faces" / "truncated.jpg").read_bytes()
    (fake / "007.jpg").write_bytes(truncated)
    with pytest.raises(BadInput, match=r"007\.jpg cannot be decoded"):
        quietly(real, fake)
