"""A user's own face model: what it must give, and how it is known again."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from pages import DOCS, blocks
from pretended_gpu import pretended_gpu

from facebench import faces
from facebench.errors import BadInput
from facebench.faces.extractor import FaceExtractor
from facebench.weights import WeightSource

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 3, 8, 8), dtype=np.uint8)
IMAGES[3] = 0  # where there is none
MODEL = """
import torch

def make(device):
    def look(images):
        light = images.double().mean((1, 2, 3))
        n = len(images)
        faces = dict(
            counts=(light > 9).int() * {count},
            confidence=light / 255,
            points=(light / 255)[:, None, None].expand(n, 3, 2),
            embedding=images.double().mean(2).flatten(1)[:, :4] * {scale},
        )
        {change}
        return faces
    return look
"""


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., FaceExtractor]:
    """Write the model into a file, changed by a line, and open it."""
    monkeypatch.chdir(tmp_path)

    def make(change: str = "pass", count: str = "2", scale: str = "3.0") -> FaceExtractor:
        text = MODEL.format(change=change, count=count, scale=scale)
        (tmp_path / "own_faces.py").write_text(text)
        return faces.create("own_faces.py:make", WeightSource(), "cpu")

    return make


def test_a_function_of_a_file_makes_a_face_model(made: Callable[..., FaceExtractor]) -> None:
    model = made()
    assert model.name == "faces-own_faces:make" and model.layer == ""
    assert model.notes == ("own_faces:make is the user's own face model",)
    assert set(model.weights) == {"own_faces:make", "own_faces:make faces"}
    record = model.extract(IMAGES, 2)
    np.testing.assert_array_equal(record["counts"], np.array([2, 2, 2, 0, 2], np.int32))
    for name in ("confidence", "points", "embedding"):
        assert record[name].dtype == np.float32
        is_nan = np.isnan(record[name]).reshape(5, -1)
        assert is_nan[3].all() and not is_nan[[0, 1, 2, 4]].any()
    lengths = np.linalg.norm(record["embedding"][record["counts"] > 0], axis=1)
    np.testing.assert_allclose(lengths, 1, rtol=1e-6)
    for name, rows in model.extract(IMAGES, 5).items():
        np.testing.assert_allclose(rows, record[name], rtol=1e-6)


def test_it_is_known_by_its_code_and_by_what_it_finds(made: Callable[..., FaceExtractor]) -> None:
    first, again, other = made().weights, made().weights, made(count="1").weights
    assert first == again
    assert not set(first.values()) & set(other.values())


def test_it_runs_where_the_images_are(made: Callable[..., FaceExtractor], tmp_path: Path) -> None:
    expected = made().extract(IMAGES, 2)
    with pretended_gpu():
        model = faces.create("own_faces.py:make", WeightSource(), "cuda")
        record = model.compute(torch.from_numpy(IMAGES).to("cuda"), 2)
        assert {rows.device.type for rows in record.values()} == {"cuda"}
        for name, rows in record.items():
            np.testing.assert_array_equal(rows.cpu().numpy(), expected[name])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("del faces['points']", "no mapping of counts, confidence, points, embedding"),
        ("faces = faces['counts']", "no mapping of counts, confidence, points, embedding"),
        ("faces['counts'] = 1", "no tensor of real numbers as counts"),
        ("faces['confidence'] = light + 1j", "no tensor of real numbers as confidence"),
        ("faces['counts'] = light / 255", "counts other than 0, 1, 2"),
        ("faces['counts'] = -faces['counts']", "counts other than 0, 1, 2"),
        ("faces['counts'] = light / 0", "counts other than 0, 1, 2"),
        ("faces['confidence'] = light[:, None]", r"confidence of the shape \(2, 1\), where \(2\)"),
        (
            "faces['points'] = faces['points'][:, :2]",
            r"points of the shape \(2, 2, 2\), where \(2, 3, 2\) is needed",
        ),
        (
            "faces['embedding'] = light",
            r"embedding of the shape \(2,\), where \(2, d\) is needed",
        ),
        ("faces['confidence'] = light / 0", "confidence of a face that are NaN or infinite"),
        ("faces['points'] = faces['points'] * 64", "points far outside the picture, where shares"),
        ("faces['embedding'] = 0 * faces['embedding']", "an embedding of nothing but zeros"),
        (
            "faces['embedding'] = faces['embedding'] - faces['embedding'].mean(0) * (n - 1)",
            "finds other embedding in an image when it is alone",
        ),
    ],
)
def test_what_is_no_face_is_refused(
    change: str, said: str, made: Callable[..., FaceExtractor]
) -> None:
    with pytest.raises(BadInput, match=f"own_faces:make .*{said}"):
        made(change)


def test_an_embedding_has_as_many_numbers_in_every_batch(
    made: Callable[..., FaceExtractor],
) -> None:
    model = made("faces['embedding'] = images.double().mean(1).flatten(1)")  # 64×64 numbers
    with pytest.raises(BadInput, match=r"embedding of the shape \(2, 64\), where \(2, 4096\)"):
        model.extract(IMAGES, 2)
    with pytest.raises(BadInput, match=r"embedding of the shape \(1, 8\), where \(1, 7\)"):
        made("faces['embedding'] = images[:, 0, 0, : 9 - n].double() + 1")


def test_nothing_found_is_no_error(made: Callable[..., FaceExtractor]) -> None:
    record = made("faces['counts'] = 0 * faces['counts']").extract(IMAGES, 3)
    assert not record["counts"].any() and np.isnan(record["embedding"]).all()


def test_the_model_of_the_page_is_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code,) = (block.text for block in blocks(DOCS / "face_models.md", "python"))
    stand_in = """
from types import SimpleNamespace

def my_faces(images):
    n = len(images)
    points = torch.full((n, 3, 2), 0.5)
    vectors = images.float().mean((2, 3)) + 1
    return SimpleNamespace(count=torch.ones(n), score=torch.ones(n), points=points, vectors=vectors)
"""
    (tmp_path / "my_faces.py").write_text(code + stand_in)
    monkeypatch.chdir(tmp_path)
    record = faces.create("my_faces.py:make", WeightSource(), "cpu").extract(IMAGES, 2)
    assert (record["counts"] == 1).all() and record["embedding"].shape == (5, 3)


RAISES = """
def make(device):
    seen = []
    def look(images):
        seen.append(images)
        if len(seen) > 2: raise SystemExit("enough") if {ends} else ZeroDivisionError("by zero")
        import torch
        n = len(images)
        return {{"counts": torch.ones(n), "confidence": torch.ones(n),
                "points": torch.zeros(n, 3, 2), "embedding": torch.ones(n, 4)}}
    return look
"""


@pytest.mark.parametrize(("ends", "says"), [(False, "by zero"), (True, "it ends the program")])
def test_a_model_that_fails_while_it_looks_is_one_sentence(
    ends: bool, says: str, tmp_path: Path
) -> None:
    (tmp_path / f"late_{ends}.py").write_text(RAISES.format(ends=ends))
    with pytest.raises(BadInput, match=says):
        faces.create(f"{tmp_path}/late_{ends}.py:make", WeightSource(), "cpu").extract(IMAGES, 2)
