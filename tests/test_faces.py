"""The two face models, on real faces, on painted ones, and on what is none."""

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import face_networks
import numpy as np
import pytest
import torch
from pretended_gpu import pretended_gpu

from facebench import faces, synth
from facebench.cache.paths import cache_folder
from facebench.errors import BadInput
from facebench.faces.extractor import FaceExtractor, HostFaces
from facebench.features.extractor import Record
from facebench.weights import MANIFEST, WeightSource

pytest.importorskip("dlib")
cv2 = pytest.importorskip("cv2")


@pytest.fixture(scope="module")
def dlib_faces() -> FaceExtractor:
    return faces.create("dlib", WeightSource(), "cpu")


@pytest.fixture(scope="module")
def opencv_faces(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> FaceExtractor:
    """Give YuNet with the shared MobileFaceNet in SFace's place."""
    file = face_networks.mobilefacenet(shared, tmp_path_factory.mktemp("onnx") / "sface.onnx")
    return faces.create("opencv", face_networks.weights_of(shared, file), "cpu")


@pytest.fixture(params=["dlib", "opencv"])
def model(request: pytest.FixtureRequest) -> FaceExtractor:
    return request.getfixturevalue(f"{request.param}_faces")


@pytest.fixture(scope="module")
def real(shared: Path) -> np.ndarray:
    return face_networks.celeba(shared, 300)


def same(first: Record, second: Record) -> None:
    assert first.keys() == second.keys() == {"counts", "confidence", "points", "embedding"}
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], strict=True)


def part(record: Record, places: Any) -> Record:
    return {name: rows[places] for name, rows in record.items()}


def area_under_curve(record: Record, people: np.ndarray) -> float:
    found = record["counts"] > 0
    embedding, people = record["embedding"][found].astype(np.float64), people[found]
    i, j = np.triu_indices(len(people), 1)
    ranks = np.argsort(np.argsort((embedding @ embedding.T)[i, j])) + 1
    is_same = people[i] == people[j]
    n = is_same.sum()
    return float((ranks[is_same].sum() - n * (n + 1) / 2) / (n * (len(i) - n)))


@pytest.mark.long
def test_a_record_has_what_a_face_model_tells(model: FaceExtractor, real: np.ndarray) -> None:
    images = np.concatenate([real[:6], np.zeros_like(real[:1])])
    record = model.extract(images, 4)
    shapes = {"counts": (7,), "confidence": (7,), "points": (7, 3, 2), "embedding": (7, 128)}
    assert {name: rows.shape for name, rows in record.items()} == shapes
    kinds = {name: rows.dtype for name, rows in record.items()}
    assert kinds == {name: np.int32 if name == "counts" else np.float32 for name in record}
    assert record["counts"][-1] == 0
    for name in ("confidence", "points", "embedding"):
        assert np.isnan(record[name][-1]).all()
        assert np.isfinite(record[name][record["counts"] > 0]).all()
    found = record["counts"] > 0
    np.testing.assert_allclose(np.linalg.norm(record["embedding"][found], axis=1), 1, rtol=1e-6)
    left, right, nose = record["points"][found].mean(0)  # one may look aside
    assert left[0] < nose[0] < right[0]
    assert max(left[1], right[1]) < nose[1]


@pytest.mark.long
@pytest.mark.parametrize(("name", "num", "least"), [("opencv", 300, 0.97), ("dlib", 100, 0.9)])
def test_celeba_has_one_face_a_picture(
    name: str, num: int, least: float, real: np.ndarray, request: pytest.FixtureRequest
) -> None:
    model = request.getfixturevalue(f"{name}_faces")
    assert (model.extract(real[:num], 64)["counts"] == 1).mean() >= least


def test_noise_has_no_face(model: FaceExtractor) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (100, 3, 64, 64), np.uint8)
    assert not model.extract(noise, 50)["counts"].any()


@pytest.mark.long
@pytest.mark.parametrize(("name", "people", "least"), [("opencv", 40, 0.9995), ("dlib", 12, 0.999)])
def test_olivettis_people_are_told_apart(
    name: str, people: int, least: float, shared: Path, request: pytest.FixtureRequest
) -> None:
    model = request.getfixturevalue(f"{name}_faces")
    record = model.extract(face_networks.olivetti(shared)[: 10 * people], 64)
    assert (record["counts"] == 1).mean() >= 0.95
    assert area_under_curve(record, np.repeat(np.arange(people), 10)) >= least


@pytest.mark.long
def test_an_image_depends_on_no_other_and_on_no_threads(
    model: HostFaces, real: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = real[:12]
    whole = model.extract(images, 12)
    same(whole, model.extract(images, 12))
    same(part(whole, slice(3, 7)), model.extract(images[3:7], 1))
    monkeypatch.setattr(model, "looks", [model.open() for _ in range(3)])
    same(whole, model.extract(images, 5))
    before = cv2.getNumThreads()
    for threads in (1, 3):
        cv2.setNumThreads(threads)
        same(whole, model.extract(images, 5))
    cv2.setNumThreads(before)


def test_a_picture_of_another_size_in_between_changes_nothing(
    model: FaceExtractor, real: np.ndarray
) -> None:
    first = model.extract(real[:2], 2)
    model.extract(np.zeros((1, 3, 90, 200), np.uint8), 1)
    same(first, model.extract(real[:2], 2))


@pytest.mark.long
def test_a_mirrored_picture_has_mirrored_points(model: FaceExtractor, real: np.ndarray) -> None:
    images = real[:40]
    record, mirrored = model.extract(images, 40), model.extract(images[..., ::-1], 40)
    found = (record["counts"] == 1) & (mirrored["counts"] == 1)
    assert found.sum() >= 30
    expected = record["points"][found][:, [1, 0, 2]] * [-1, 1] + [1, 0]
    np.testing.assert_allclose(mirrored["points"][found].mean(0), expected.mean(0), atol=0.01)
    assert np.abs(mirrored["points"][found] - expected).mean() < 0.02


def test_a_gpus_images_are_brought_over_and_the_answer_goes_back(
    model: FaceExtractor, real: np.ndarray
) -> None:
    images = real[:3]
    expected = model.extract(images, 3)
    with pretended_gpu() as gpu:
        there = torch.from_numpy(images).to("cuda")
        waits = gpu.waits
        with gpu.never_waiting():  # but for the images themselves
            record = model.compute(there, 2)
        assert gpu.waits == waits
        assert {rows.device.type for rows in record.values()} == {"cuda"}
        same(expected, {name: rows.cpu().numpy() for name, rows in record.items()})


@pytest.mark.parametrize(
    "shape", [(1, 3, 16, 16), (1, 3, 20, 300), (1, 3, 300, 20), (1, 3, 1, 1), (0, 3, 64, 64)]
)
def test_images_of_any_size_have_an_answer(shape: tuple[int, ...], model: FaceExtractor) -> None:
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    record = model.extract(images, 8)
    assert len(record["counts"]) == shape[0] and record["embedding"].shape[1] == 128
    assert not record["counts"].any()


@pytest.mark.long
def test_large_and_grey_pictures_show_the_same_face(model: FaceExtractor, real: np.ndarray) -> None:
    image = next(real[i] for i in range(9) if model.extract(real[i : i + 1], 1)["counts"] == 1)
    small = model.extract(image[None], 1)
    large = model.extract(image.repeat(64, 1).repeat(64, 2)[None], 1)  # 4096×4096
    grey = model.extract(np.broadcast_to(image.mean(0).astype(np.uint8), image.shape)[None], 1)
    for other in (large, grey):
        assert other["counts"] == 1
        np.testing.assert_allclose(other["points"], small["points"], atol=0.06)
        assert (other["embedding"] * small["embedding"]).sum() > 0.7


@pytest.mark.long
def test_painted_faces_are_found_and_told_apart(model: FaceExtractor) -> None:
    painted = synth.render(range(40))
    noise = np.random.default_rng(0).normal(0, 6, painted.shape)
    record = model.extract(painted, 40)
    again = model.extract((painted + noise).clip(0, 255).astype(np.uint8), 40)
    found = (record["counts"] == 1) & (again["counts"] == 1)
    assert found.mean() >= 0.9
    nearest = (again["embedding"][found] @ record["embedding"][found].T).argmax(1)
    assert (nearest == np.arange(found.sum())).mean() >= 0.9


def test_another_embedding_may_take_sfaces_place(
    shared: Path, real: np.ndarray, tmp_path: Path
) -> None:
    weights = face_networks.weights_of(shared, face_networks.seeded(tmp_path / "own.bin", 32))
    model = faces.create("opencv", weights, "cpu")
    assert model.notes and "sface taken on trust" in model.notes[0]
    assert model.weights["yunet"] == MANIFEST["yunet"].sha256
    assert model.name == "faces-opencv" and "OpenCV" in model.arithmetic
    record = model.extract(real[:4], 2)
    assert record["embedding"].shape == (4, 32) and (record["counts"] == 1).all()
    loaded_late = faces.create("opencv", weights, "cpu", load=False)
    same(record, loaded_late.extract(real[:4], 2))


def test_weights_that_are_not_known_need_trust(shared: Path, tmp_path: Path) -> None:
    files = face_networks.weights_of(shared, face_networks.seeded(tmp_path / "own.onnx")).files
    with pytest.raises(BadInput, match=r"not the known file of weights 'sface'.*--trust-weights"):
        faces.create("opencv", WeightSource(files), "cpu")
    with pytest.raises(BadInput, match="'yunet' are not here, and this is offline"):
        faces.create("opencv", WeightSource(offline=True), "cpu")
    assert not list(cache_folder().rglob("*.onnx"))


@pytest.mark.parametrize("name", ["yunet", "sface"])
@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "swapped", "picture"])
def test_a_damaged_network_is_one_sentence(
    name: str, damage: str, shared: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    files = dict(face_networks.weights_of(shared, face_networks.seeded(tmp_path / "s.onnx")).files)
    other = {"yunet": "sface", "sface": "yunet"}[name]
    content = {
        "truncated": files[name].read_bytes()[:5000],
        "empty": b"",
        "text": b"version https://git-lfs.github.com/spec/v1\n",
        "swapped": files[other].read_bytes(),
        "picture": b"\x89PNG\r\n\x1a\n" * 20,
    }[damage]
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(content)
    with pytest.raises(
        BadInput, match=rf"bad\.onnx is damaged or not .*--weights {name}=FILE"
    ) as said:
        faces.create("opencv", WeightSource({**files, name: bad}, trust=True), "cpu")
    assert "\n" not in str(said.value)
    assert capfd.readouterr() == ("", "")


def test_an_embedding_that_is_no_direction_is_refused(
    shared: Path, real: np.ndarray, tmp_path: Path
) -> None:
    class Nothing(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 0 * x.mean((2, 3))

    file = face_networks.export(Nothing(), tmp_path / "nothing.onnx")
    model = faces.create("opencv", face_networks.weights_of(shared, file), "cpu")
    with pytest.raises(BadInput, match="faces-opencv describes a face by numbers of length 0"):
        model.extract(real[:2], 2)


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [
        ("dlib", "dlib", "faces"),
        ("dlib", "face_recognition_models", "faces"),
        ("opencv", "cv2", "faces-opencv"),
    ],
)
def test_a_missing_package_is_named_with_the_command(
    name: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    hidden = lambda wanted: None if wanted == module else find(wanted)  # noqa: E731
    monkeypatch.setattr("facebench.faces.extractor.find_spec", hidden)
    with pytest.raises(BadInput, match=rf"'{module}'.*pip install 'facebench\[{extra}\]'"):
        faces.create(name, WeightSource(offline=True), "cpu")


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(BadInput, match="no face model 'arcface'; there are: dlib, opencv, or"):
        faces.create("arcface", WeightSource(), "cpu")


def test_the_points_whose_data_forbid_commercial_use_are_never_opened(
    real: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dlib

    opened: list[str] = []

    def noted(make: Callable[[str], Any], file: str) -> Any:
        opened.append(file)
        return make(file)

    for name in ("shape_predictor", "face_recognition_model_v1"):
        monkeypatch.setattr(dlib, name, partial(noted, getattr(dlib, name)))
    model = faces.create("dlib", WeightSource(), "cpu")
    model.extract(real[:1], 1)
    assert {Path(file).name for file in opened} == set(model.weights)
    assert not [name for name in model.weights if "68" in name]


@pytest.mark.processes
@pytest.mark.parametrize("name", ["dlib", "opencv"])
def test_what_is_only_named_loads_no_library(name: str, shared: Path, tmp_path: Path) -> None:
    files = face_networks.weights_of(shared, face_networks.seeded(tmp_path / "own.onnx")).files
    given = {key: str(file) for key, file in files.items()}
    code = f"""
import sys
from pathlib import Path
from facebench import faces
from facebench.weights import WeightSource
source = WeightSource({{name: Path(file) for name, file in {given}.items()}}, trust=True)
model = faces.create({name!r}, source, "cpu", load=False)
assert model.weights and not set(sys.modules) & {{"cv2", "dlib", "face_recognition_models"}}
"""
    subprocess.run([sys.executable, "-c", code], check=True)
