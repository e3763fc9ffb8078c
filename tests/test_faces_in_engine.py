"""Faces through an evaluation: asked for, named by the protocol, scored, shown."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from facebench.cli import cli
from facebench.data.prepare import synthesize
from facebench.engine import evaluate
from facebench.engine.score import evaluate_sets
from facebench.errors import BadInput
from facebench.metrics.table import METRICS
from facebench.results.result import Result, read_result
from facebench.results.visuals import read_visuals, visuals_folder

LOOK = """
import torch

def make(device):
    def look(images):
        small = torch.nn.functional.adaptive_avg_pool2d(images.float(), 8).flatten(1)
        bright = images.float().mean((1, 2, 3))
        n = len(images)
        x = images.float().mean((1, 2)) / 255           # n, w
        place = (x * torch.arange(x.shape[1])).sum(1) / x.sum(1) / x.shape[1]
        points = torch.stack([torch.stack([place + dx, torch.full((n,), 0.5)], 1)
                              for dx in (-0.1, 0.1, 0.0)], 1)
        return {"counts": (bright > 20).int(), "confidence": bright / 255, "points": points,
                "embedding": small - small.mean(1, keepdim=True)}
    return look
"""
"""Sees a face in every picture that is not dark; equal pictures show the same person."""
pytestmark = pytest.mark.long
OPTIONS: dict[str, Any] = {"extractor": "random", "device": "cpu"}
OF_FACES = {
    "face_rate", "face_confidence", "identity_leakage", "identity_diversity", "fd_identity",
    "precision_identity", "recall_identity", "pose_roll", "pose_yaw", "pose_eye_distance",
    "pose_x", "pose_y", "fdr",
}  # fmt: skip


@pytest.fixture(scope="module")
def look(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("code") / "look.py"
    path.write_text(LOOK)
    return f"{path}:make"


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("painted") / "faces"
    synthesize(folder, num=700, size=32, holdout=100, seed=0)
    return folder


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("few") / "faces"
    synthesize(folder, num=48, size=32, holdout=24, seed=0)
    return folder


@pytest.fixture(scope="module")
def result(look: str, painted: Path, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A model that shows twenty training images among eighty others."""
    images = np.load(painted / "images.npy", mmap_mode="r")
    fakes = tmp_path_factory.mktemp("fakes") / "fakes.npy"
    np.save(fakes, np.concatenate([images[:20], images[620:700]]))
    out = tmp_path_factory.mktemp("out")
    asked: dict[str, Any] = {
        "models": {"fakes": f"images:{fakes}"},
        "reference": painted,
        "face_model": look,
    }
    evaluation = evaluate(**asked, num=100, out=out, **OPTIONS)
    (found,) = evaluation.results
    assert read_result(out / "fakes.json") == found
    assert read_visuals(visuals_folder(out, "fakes")).galleries["leaks"].columns == 2
    assert not found.failed
    return found


def test_all_metrics_of_faces_are_there_with_what_they_are_read_with(result: Result) -> None:
    assert result.metrics.keys() >= OF_FACES
    leaks = result.metrics["identity_leakage"]
    assert 0.2 <= leaks.value < 0.3 and leaks.floor == pytest.approx(0.01)
    assert leaks.low is not None and leaks.low < leaks.value < (leaks.high or 0)
    assert leaks.details["way"] and leaks.details["not_found"] == 0
    assert result.metrics["face_rate"].value == 1
    assert result.metrics["fdr"].floor == pytest.approx(1)  # of fd_random and fd_identity
    assert {key for key in result.metrics if key.startswith("share_")}
    assert result.metrics["pose_x"].differs is not None


def test_the_protocol_names_what_looked_and_the_lists_of_who_is_shown(result: Result) -> None:
    assert result.protocol.faces.startswith("faces-look:make ")
    assert "identities " in result.protocol.faces and "attributes " in result.protocol.faces


def test_the_most_suspect_faces_are_shown_beside_the_training_faces(
    look: str, few: Path, tmp_path: Path
) -> None:
    models = f"fakes=images:{few / 'images.npy'}"
    evaluate(models, few, face_model=look, num=8, out=tmp_path, metrics="face_rate", **OPTIONS)
    assert "leaks" not in read_visuals(visuals_folder(tmp_path, "fakes")).galleries
    evaluate(models, few, face_model=look, num=8, out=tmp_path, **OPTIONS)
    folder = visuals_folder(tmp_path, "fakes")
    leaks = read_visuals(folder).galleries["leaks"]
    assert leaks.distances == (1.0,) * 6 and leaks.labels[0].startswith("seed ")
    grid = np.asarray(Image.open(folder / leaks.file))
    np.testing.assert_array_equal(grid[:, :32], grid[:, 32:])  # copies of training images


def test_without_the_option_nothing_looks_for_faces(few: Path, tmp_path: Path) -> None:
    models = f"fakes=images:{few / 'images.npy'}"
    (found,) = evaluate(models, few, num=8, out=tmp_path, **OPTIONS).results
    assert not found.metrics.keys() & OF_FACES and found.protocol.faces == ""
    assert "faces" not in json.loads((tmp_path / "fakes.json").read_text())["protocol"]
    with pytest.raises(BadInput, match="face_rate needs the face pass: add --faces"):
        evaluate(models, few, num=8, metrics="face_rate", **OPTIONS)


def test_faces_are_added_to_what_was_scored_without(look: str, few: Path, tmp_path: Path) -> None:
    models = f"fakes=images:{few / 'images.npy'}"
    asked: dict[str, Any] = {"num": 8, "out": tmp_path, **OPTIONS}
    evaluate(models, few, metrics="kid", **asked)
    (found,) = evaluate(models, few, face_model=look, metrics="face_rate", **asked).results
    assert found.metrics.keys() == {"kd_random", "face_rate"}
    (found,) = evaluate(models, few, metrics="vendi", **asked).results
    assert found.metrics.keys() == {"kd_random", "face_rate", "vendi"}
    assert found.protocol.faces.startswith("faces-look:make")


def test_a_named_metric_leaves_those_of_faces_in_unless_it_is_one(look: str, few: Path) -> None:
    models = f"fakes=images:{few / 'images.npy'}"
    asked = {"num": 8, "face_model": look, **OPTIONS}
    (found,) = evaluate(models, few, metrics="fid", **asked).results
    assert found.metrics.keys() >= {"fd_random", "face_rate", "fd_identity"}
    (found,) = evaluate(models, few, metrics="fid,pose_x", **asked).results
    assert found.metrics.keys() == {"fd_random", "pose_x"}


def test_dark_pictures_have_no_faces_and_say_so(look: str, few: Path, tmp_path: Path) -> None:
    dark = tmp_path / "dark.npy"
    np.save(dark, np.random.default_rng(0).integers(0, 20, (12, 3, 32, 32)).astype(np.uint8))
    models = {"dark": f"images:{dark}"}
    (found,) = evaluate(models, few, face_model=look, num=12, **OPTIONS).results
    assert found.metrics["face_rate"].value == 0
    assert found.metrics["face_rate"].details["none"] == 1
    assert not found.failed
    (note,) = [n for n in found.remarks if "so there is no pose" in n]
    assert note.startswith("no pose_roll, pose_yaw, pose_eye_distance, pose_x, pose_y: ")


def test_a_row_of_which_no_metric_asked_for_can_be_told_has_failed_and_says_why(
    look: str, few: Path, tmp_path: Path
) -> None:
    dark = tmp_path / "dark.npy"
    np.save(dark, np.zeros((12, 3, 32, 32), np.uint8))
    asked: dict[str, Any] = {"metrics": "identity_leakage", "num": 12, "face_model": look}
    found = evaluate({"dark": f"images:{dark}"}, few, **asked, **OPTIONS)
    assert not found.results
    assert "No face was found in the generated images" in str(found.failures)


def test_two_folders_have_faces_too_but_no_training_faces(
    look: str, painted: Path, tmp_path: Path
) -> None:
    images = np.load(painted / "images.npy", mmap_mode="r")
    for name, part in (("real", images[:40]), ("fake", images[40:80])):
        (tmp_path / name).mkdir()
        for i, image in enumerate(part):
            Image.fromarray(image.transpose(1, 2, 0)).save(tmp_path / name / f"{i}.png")
    sets = tmp_path / "real", tmp_path / "fake"
    (found,) = evaluate_sets(*sets, face_model=look, **OPTIONS).results
    assert found.metrics.keys() >= OF_FACES - {"identity_leakage", "identity_diversity"}
    assert "identity_leakage" not in found.metrics
    with pytest.raises(BadInput, match="identity_leakage needs training images"):
        evaluate_sets(*sets, face_model=look, metrics="identity_leakage", **OPTIONS)


def test_a_missing_package_a_wrong_model_and_statistics_are_one_sentence_each(
    look: str, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "dlib", None)
    words = ["eval", "--models", f"a=images:{few / 'images.npy'}", "--num", "8"]
    words += ["--reference", str(few), "--extractor", "random", "--out", str(tmp_path / "r")]
    for more, says in (
        (["--faces"], "facebench[faces]"),
        (["--face-model", "nobody"], "There is no face model 'nobody'"),
        (["--face-model", look, "--mode", "pytorch-fid"], "leave --faces out"),
    ):
        answer = CliRunner().invoke(cli, [*words, *more])
        assert answer.exit_code == 2 or isinstance(answer.exception, BadInput), more
        assert says in answer.output + str(answer.exception)


def test_every_metric_of_faces_has_a_card_and_a_paper() -> None:
    rows = [row for row in METRICS.values() if row.is_of_faces and not row.is_of_pairs]
    assert {row.key for row in rows} | {"fdr"} == OF_FACES | {"share"}
    assert all(row.card and row.paper for row in rows)
