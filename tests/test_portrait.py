"""The portrait network: its pictures, its school, its export, and the features that come of it."""

from pathlib import Path

import numpy as np
import portrait_student
import pytest
import torch
from portrait_damage import DAMAGE, damaged
from portrait_export import export, folded
from portrait_lessons import Lessons
from portrait_pictures import FACTORS, face, face_factors, picture
from portrait_student import School

from facebench import features as extractors
from facebench.features.portrait import FILE, POOLED, PortraitFeatures, PortraitNetwork, to_network
from facebench.metrics import kernel_distance
from facebench.synth import render
from facebench.weights import WeightSource


@pytest.fixture(scope="module")
def lessons() -> Lessons:
    """Give sixty pictures, and a teacher that looks at their colours."""
    drawn = [damaged(picture(number), number) for number in range(60)]
    images = np.stack([image for image, _ in drawn])
    colours = images.reshape(60, 3, -1)[:, :, ::100].reshape(60, -1)[:, :40] / 255
    factors = np.stack([face_factors(number) for number in range(60)])
    return Lessons(
        images, colours.astype(np.float32), np.stack([strength for _, strength in drawn]), factors
    )


@pytest.fixture
def school(lessons: Lessons, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> School:
    monkeypatch.setattr(portrait_student, "BATCH", 16)
    monkeypatch.setattr(portrait_student, "WARM_UP", 2)
    return School(tmp_path, lessons, steps=4)


def test_pictures_are_drawn_from_their_number_alone() -> None:
    for number in (3, 4, 5, 6, 7):
        first, second = (damaged(picture(number), number) for _ in range(2))
        np.testing.assert_array_equal(first[0], second[0])
        assert first[0].shape == (3, 64, 64) and first[0].dtype == np.uint8
        assert first[1].shape == (len(DAMAGE),) and first[1].min() >= 0 and first[1].max() <= 1
        known = np.isfinite(face_factors(number))
        assert known.shape == (len(FACTORS),) and known.all() == known.any()


@pytest.mark.parametrize("place", range(11))
def test_every_kind_of_damage_changes_a_picture_and_more_of_it_more(place: int) -> None:
    change, whole = list(DAMAGE.values())[place], face(3)
    weak, strong = (
        np.abs(change(whole, strength, np.random.default_rng(0)) - whole).mean()
        for strength in (0.1, 1.0)
    )
    assert 0 < weak < strong


def test_what_is_learnt_in_parts_is_what_is_learnt_at_once(
    school: School, lessons: Lessons, tmp_path: Path
) -> None:
    school.learn()
    parts = tmp_path / "parts"
    parts.mkdir()
    begun = School(parts, lessons, steps=4)
    begun.learn_until(2)
    gone_on = School(parts, lessons, steps=4)
    assert gone_on.done == 2
    gone_on.learn()
    for name, weights in school.student.state_dict().items():
        assert torch.equal(weights, gone_on.student.state_dict()[name]), name


def test_the_folded_network_is_the_one_that_learnt(school: School) -> None:
    school.learn()
    trunk = school.student.trunk.eval()
    images = to_network(torch.from_numpy(school.images[:8]))
    with torch.inference_mode():
        torch.testing.assert_close(folded(trunk)(images), trunk(images), rtol=1e-4, atol=1e-5)


def test_features_are_what_the_file_says_whatever_the_batch(school: School, tmp_path: Path) -> None:
    school.learn()
    export(school, tmp_path / "portrait.safetensors")
    portrait = PortraitFeatures("cpu", file=tmp_path / "portrait.safetensors")
    images = school.images[:10]
    whole = portrait.extract(images, 10)["features"]
    np.testing.assert_allclose(portrait.extract(images, 3)["features"], whole, atol=1e-5)
    assert whole.dtype == np.float32 and np.isfinite(whole).all()
    larger = np.repeat(np.repeat(images, 2, 2), 2, 3)
    alike = np.corrcoef(portrait.extract(larger, 10)["features"].ravel(), whole.ravel())[0, 1]
    assert alike > 0.98
    assert set(portrait.weights) == {"portrait"} and len(portrait.weights["portrait"]) == 64


def test_the_packages_own_is_small_and_has_a_name(tmp_path: Path) -> None:
    assert FILE.stat().st_size < 4_000_000
    portrait = extractors.create("portrait", WeightSource(offline=True), "cpu")
    assert portrait.name == "portrait" and portrait.notes
    images = np.random.default_rng(0).integers(0, 256, (5, 3, 80, 64), np.uint8)
    found = portrait.extract(images, 5)["features"]
    for batch in (1, 2):
        np.testing.assert_allclose(portrait.extract(images, batch)["features"], found, atol=2e-5)


def test_the_kernel_distance_sees_what_no_longer_varies() -> None:
    portrait = extractors.create("portrait", WeightSource(offline=True), "cpu")
    real, others = (portrait.extract(render(range(n, n + 80)), 40)["features"] for n in (0, 80))
    middle = np.repeat(others.mean(0)[None], 80, 0) + 1e-3 * others

    def kid(a: np.ndarray, b: np.ndarray) -> float:
        return kernel_distance(a, b, subsets=1, subset_size=80)

    assert kid(real, middle) > 5 * abs(kid(real, others))


def test_the_network_pools_every_stage() -> None:
    pooled = PortraitNetwork().eval()(torch.zeros(2, 3, 64, 64))
    assert pooled.shape == (2, POOLED)
