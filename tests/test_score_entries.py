"""What people write on either side of a score, and what it is taken for."""

import csv
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import torch
from PIL import Image

import facebench
from facebench.cli import cli
from facebench.data.prepare import prepare
from facebench.engine import evaluate
from facebench.engine.entries import parse_entries
from facebench.engine.score import evaluate_sets
from facebench.errors import BadInput
from facebench.samplers.picture_set import open_picture_set

FEW: dict[str, Any] = {"metrics": "fid", "extractor": "random", "device": "cpu"}
IMAGES = np.random.default_rng(3).integers(0, 256, (12, 3, 16, 20), np.uint8)
LAST = IMAGES.transpose(0, 2, 3, 1)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with two sets of pictures, `reals` and `fakes`."""
    monkeypatch.chdir(tmp_path)
    for name, first in (("reals", 0), ("fakes", 4)):
        save_pictures(tmp_path / name, IMAGES[first : first + 8])
    return tmp_path


def save_pictures(folder: Path, images: np.ndarray) -> Path:
    folder.mkdir(parents=True)
    for number, image in enumerate(images):
        Image.fromarray(image.transpose(1, 2, 0)).save(folder / f"{number:02}.png")
    return folder


def names(real: Any, fake: Any, **options: Any) -> list[str]:
    return [result.model for result in evaluate_sets(real, fake, **(FEW | options)).results]


def quietly(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return function(*args, **(FEW | options))


def exit_code(*words: str) -> int:
    """The command's exit code, which is 2 for BadInput as for what click refuses."""
    try:
        cli([*words, "--extractor", "random", "--device", "cpu"], standalone_mode=False)
    except (BadInput, click.UsageError):
        return 2
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


# Arrays in files


def test_a_folder_of_an_array_names_the_file_to_give(home: Path) -> None:
    (home / "npz").mkdir()
    np.savez(home / "npz" / "samples.npz", IMAGES)
    (home / "npz" / "notes.txt").touch()
    with pytest.raises(BadInput, match=r"holds no pictures .*: give npz/samples\.npz\.$"):
        quietly(facebench.score, "reals", "npz")
    (home / "npy").mkdir()
    np.save(home / "npy" / "all.npy", IMAGES)
    with pytest.raises(BadInput, match=r"or give npy/all\.npy, if it is all of them\.$"):
        quietly(facebench.score, "reals", "npy")
    assert names("reals", ["npz/samples.npz", "npy/all.npy"]) == ["samples", "all"]


def test_how_an_array_is_read_is_in_its_digest(tmp_path: Path) -> None:
    square = IMAGES[:, :, :3, :3]  # both layouts fit it
    np.save(tmp_path / "a.npy", square)
    read = {how: open_picture_set(tmp_path / "a.npy", layout=how) for how in ("NCHW", "NHWC", "")}
    assert read["NCHW"].content != read["NHWC"].content
    assert read["NHWC"].content != read[""].content  # kept as NCHW, which it is by default
    assert (read["NCHW"].picture(0) == read[""].picture(0)).all()
    assert (read["NHWC"].picture(0) != read[""].picture(0)).any()
    np.save(tmp_path / "b.npy", (square / 255).astype(np.float32))
    ranges = [open_picture_set(tmp_path / "b.npy", range=each) for each in ("sigmoid", "0..2")]
    assert ranges[0].content != ranges[1].content


@pytest.mark.parametrize(
    ("layout", "says"),
    [
        ("NHWC", r"a\.npy holds an array of shape \(12, 3, 16, 20\), not NHWC: layout=NCHW fits"),
        ("NWHC", "There is no layout='NWHC'; there are: NCHW, NHWC"),
    ],
)
def test_a_layout_that_is_not_the_arrays_is_refused(home: Path, layout: str, says: str) -> None:
    np.save(home / "a.npy", IMAGES)
    with pytest.raises(BadInput, match=says):
        quietly(facebench.score, "reals", f"images+layout={layout}:a.npy")
    assert exit_code("score", "reals", f"images+layout={layout}:a.npy") == 2


def test_labels_beside_a_layout_are_refused_rather_than_ignored(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", IMAGES, np.arange(12))
    with pytest.raises(BadInput, match="has no labels=files beside range or layout"):
        open_picture_set(tmp_path / "a.npz", layout="NCHW", labels="files")


def test_an_array_of_floats_is_told_how_to_say_its_range(home: Path) -> None:
    np.save(home / "a.npy", (IMAGES / 127.5 - 1).astype(np.float32))
    with pytest.raises(BadInput, match=r"images\+range=tanh:a\.npy"):
        quietly(facebench.score, "reals", "a.npy")
    assert names("reals", "images+range=tanh:a.npy") == ["a"]


# Texts


@pytest.mark.parametrize(
    "fake", ["images+labels=none:fakes", "images:fakes", "images+labels=none:./fakes/"]
)
def test_an_adapter_with_options_is_no_name(home: Path, fake: str) -> None:
    assert names("reals", fake) == ["fakes"]
    assert names(fake, ["reals", f"mine+1={fake}"]) == ["reals", "mine+1"]


@pytest.mark.processes
def test_a_model_with_options_is_called_by_its_path(home: Path) -> None:
    (home / "gan.pt").write_bytes(b"no TorchScript")
    found = evaluate_sets("reals", "torchscript+latent=uniform:gan.pt", num=4, **FEW)
    assert [*found.failures] == ["gan"]


def test_no_folder_gives_a_name_that_no_row_can_have(home: Path) -> None:
    for folder in ("leaderboard", "a/leaderboard", "b/---"):
        save_pictures(home / folder, IMAGES)
    (home / "fakes").rename(home / "leaderboard.d")
    np.save(home / "leaderboard.npy", IMAGES)
    assert names("reals", "leaderboard", out="board") == ["leaderboard-1"]
    assert names("reals", ["leaderboard.npy", "b/---"]) == ["leaderboard-1", "images"]
    assert names("reals", ["leaderboard", "a/leaderboard"])[1] == "a-leaderboard-1"


@pytest.mark.parametrize("fake", ["f@5", "./f@5", "a=f@5", "images:f@5", "images+labels=none:f@5"])
def test_a_folder_may_be_called_as_a_checkpoint_is(home: Path, fake: str) -> None:
    (home / "fakes").rename(home / "f@5")
    assert names("reals", fake) == ["a" if fake.startswith("a=") else "f-5"]


@pytest.mark.parametrize(
    "text", ["a" * 5000, "x/" * 3000, "a\0b", "~nobody/here", "a=" + "b" * 300]
)
def test_what_can_be_no_path_is_refused_as_bad_input(home: Path, text: str) -> None:
    with pytest.raises(BadInput):
        quietly(facebench.score, "reals", text)
    with pytest.raises(BadInput):
        quietly(facebench.score, "reals", {"a": text})


@pytest.mark.parametrize("text", ["a\0b", "~nobody/here"])
def test_what_can_be_no_reference_is_refused_as_bad_input(home: Path, text: str) -> None:
    with pytest.raises(BadInput):
        quietly(facebench.score, text, "fakes")


@pytest.mark.parametrize("config", ["{}", "[]", "no json", '{"adapter": 3}', '{"vae": {}}'])
def test_a_config_that_names_no_adapter_makes_no_run(home: Path, config: str) -> None:
    (home / "fakes" / "config.json").write_text(config)
    assert names("fakes", ["fakes", "reals"]) == ["fakes", "reals"]


def test_a_config_that_names_an_adapter_makes_a_run(home: Path) -> None:
    (home / "fakes" / "config.json").write_text(json.dumps({"adapter": "vae"}))
    with pytest.raises(BadInput, match="say how many with --num"):
        quietly(facebench.score, "fakes", "reals")


@pytest.mark.parametrize("empty", ["", " ", "a=", "images:", "a=images:", "images: "])
def test_an_empty_text_is_not_the_current_folder(home: Path, empty: str) -> None:
    save_pictures(home / "here", IMAGES)
    with pytest.raises(BadInput):
        quietly(facebench.score, "reals", empty)
    with pytest.raises(BadInput):
        quietly(facebench.score, empty, "fakes")
    assert exit_code("score", empty, "fakes") == 2
    assert exit_code("score", "reals", empty) == 2
    assert exit_code("eval", "--models", f"b={empty}", "--reference", "reals") == 2


def test_the_current_folder_may_be_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home / "fakes")
    assert names("../reals", ".") == names(".", "../fakes") == ["fakes"]


# Labels that nobody needs


def half_labelled(folder: Path) -> None:
    with (folder / "metadata.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([["file_name", "label"], ["00.png", "a"], ["01.png", "b"]])


def foreign(folder: Path) -> None:
    (folder / "dataset.json").write_text(json.dumps({"labels": [["elsewhere.png", 1]]}))


def broken(folder: Path) -> None:
    (folder / "deep").mkdir()
    (folder / "deep" / "dataset.json").write_text('{"labels": 3}')


def contrary(folder: Path) -> None:
    half_labelled(folder)
    (folder / "dataset.json").write_text(json.dumps({"labels": [["00.png", 1]]}))


@pytest.mark.parametrize("spoil", [half_labelled, foreign, broken, contrary])
@pytest.mark.parametrize("side", ["fakes", "reals"])
def test_labels_stop_no_score_that_needs_none(
    home: Path, spoil: Callable[[Path], None], side: str, capsys: pytest.CaptureFixture[str]
) -> None:
    [before] = evaluate_sets("reals", "fakes", **FEW).results
    capsys.readouterr()
    spoil(home / side)
    [result] = evaluate_sets("reals", "fakes", **FEW).results
    assert result.metrics == before.metrics
    [line] = [line for line in capsys.readouterr().err.splitlines() if "labels left out" in line]
    assert f"images+labels=none:{side}" in line and "--labels" not in line
    assert side == "reals" or any(note in line for note in result.notes if "labels" in note)
    asked = f"images+labels=none:{side}"
    sides = ("reals", asked) if side == "fakes" else (asked, "fakes")
    [quiet] = evaluate_sets(*sides, **FEW).results
    assert "labels left out" not in capsys.readouterr().err + str(quiet.notes)


def test_labels_that_are_asked_for_are_refused_as_before(home: Path) -> None:
    half_labelled(home / "fakes")
    with pytest.raises(BadInput, match=r"has no label, while 2 of 8 .*images\+labels=none:fakes"):
        quietly(facebench.score, "reals", "images+labels=files:fakes")
    with pytest.raises(BadInput, match=r"has no label, while 2 of 8 .*--labels none"):
        prepare(home / "fakes", home / "out", size=16)


def test_what_fails_for_another_reason_is_refused_for_it(home: Path) -> None:
    (home / "none").mkdir()
    foreign(home / "none")
    with pytest.raises(BadInput, match="none holds no pictures"):
        quietly(facebench.score, "reals", "none")


# Python


def test_a_split_of_a_prepared_data_set_may_be_named(home: Path, tiny_folder: Path) -> None:
    def count(**split: Any) -> int:
        [result] = evaluate_sets(tiny_folder, "fakes", **FEW, **split).results
        return result.protocol.num_reference

    assert count() == count(split="all") == count(split="train") + count(split="holdout")


@pytest.mark.parametrize("option", ["everything", "unasked", "metric", "models"])
def test_what_is_no_option_is_named(home: Path, option: str) -> None:
    with pytest.raises(BadInput, match=rf"no option '{option}'; there are: .*metrics.*split") as no:
        quietly(facebench.score, "reals", "fakes", **{option: True})
    assert "everything" not in str(no.value).partition(";")[2]


FORMS: dict[str, Callable[[np.ndarray], Any]] = {
    "array": lambda images: images,
    "channels last": lambda images: images.transpose(0, 2, 3, 1),
    "tensor": torch.tensor,
    "tensor, channels last": lambda images: torch.tensor(images.transpose(0, 2, 3, 1)),
}


@pytest.mark.parametrize("form", FORMS)
def test_arrays_and_tensors_of_either_layout_are_pictures(home: Path, form: str) -> None:
    made = FORMS[form]
    found = quietly(facebench.score, made(IMAGES), {"mine": made(IMAGES[::-1].copy())})["mine"]
    assert found["fd_random"]["value"] == pytest.approx(0, abs=1e-6)
    assert found["fd_random"]["n"] == len(IMAGES)
    [result] = evaluate({"mine": made(IMAGES)}, made(IMAGES), **FEW).results
    assert result.path == "an array (12, 3, 16, 20)"


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (IMAGES / 255.0, r"mine is an array, float64 of shape \(12, 3, 16, 20\), where uint8"),
        (torch.tensor(IMAGES).bfloat16(), "mine cannot be made an array of NumPy: TypeError"),
        (torch.tensor(IMAGES).float(), r"mine is an array, float32 .*: convert it, as np\.rint"),
        (IMAGES[0], r"mine is an array, uint8 of shape \(3, 16, 20\)"),
        (IMAGES[:0], r"mine is an array, uint8 of shape \(0, 3, 16, 20\)"),
        (np.array([None]), "mine is an array, object of shape"),
    ],
)
def test_what_is_no_array_of_images_is_said_to_be_none(home: Path, array: Any, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        quietly(facebench.score, "reals", {"mine": array})
    with pytest.raises(BadInput, match=says):
        evaluate({"mine": array}, "reals", **FEW)
    with pytest.raises(BadInput, match=says.replace("mine", "reference")):
        quietly(facebench.score, array, "fakes")


def test_arrays_without_names_are_numbered(home: Path) -> None:
    three = [IMAGES, torch.tensor(IMAGES), IMAGES[::-1]]
    assert names("reals", three) == ["array", "array-2", "array-3"]
    found = evaluate(three, "reals", **FEW).results
    assert [result.model for result in found] == ["array", "array-2", "array-3"]


# Statistics


@pytest.mark.parametrize("form", ["text", "mapping", "list"])
def test_statistics_are_a_row_of_eval(home: Path, form: str) -> None:
    np.savez(home / "st.npz", mu=np.zeros(4), sigma=np.eye(4))
    models = {
        "text": "mine=statistics:st.npz,theirs=images:fakes",
        "mapping": {"mine": "statistics:st.npz", "theirs": "images:fakes"},
        "list": ["mine=statistics:st.npz", "theirs=images:fakes"],
    }[form]
    mine, theirs = parse_entries(models)
    assert (mine.name, mine.adapter, mine.target) == ("mine", "statistics", "st.npz")
    assert theirs.adapter == "images"


def test_statistics_that_cannot_be_taken_are_refused(home: Path) -> None:
    np.savez(home / "st.npz", mu=np.zeros(4), sigma=np.eye(4))
    for text, says in (
        ("mine=statistics:no.npz", r"There is no model 'mine' at no\.npz"),
        ("mine=statistics+a=1:st.npz", "have no options"),
        ("mine=st.npz", r"mine=ADAPTER:st\.npz; there are: .*, statistics"),
    ):
        with pytest.raises(BadInput, match=says):
            parse_entries(text)


# Classes


def labelled(folder: Path) -> str:
    for label in "ab":
        save_pictures(folder / label, IMAGES[:6])
    return f"images+labels=folders:{folder.name}"


def test_classes_that_a_fake_has_not_are_refused_beforehand(home: Path) -> None:
    real = labelled(home / "both")
    words = ["score", real, "fakes", "--metrics", "fid,fid_class"]
    with pytest.raises(BadInput, match=r"fid_class needs a class .*, and fakes has none: leave it"):
        quietly(facebench.score, real, "fakes", metrics=["fid", "fid_class"])
    assert exit_code(*words) == 2
    assert exit_code("score", "reals", "fakes", "--metrics", "fid,fid_class") == 2
    found = quietly(facebench.score, real, ["fakes", f"mine={real}"], metrics="fid,fid_class")
    assert {*found["mine"]} - {*found["fakes"]} == {"fd_class_random"}
