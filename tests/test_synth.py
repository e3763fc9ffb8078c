import json
from dataclasses import asdict, fields, replace
from typing import Any

import numpy as np
import pytest

from facebench.synth import FaceFactors, draw, factors, render
from facebench.synth.hair import STYLES
from facebench.synth.population import HAIR_STYLES
from facebench.synth.shapes import box, ellipse, join, meet

# Everything shows on this one: ears, an open smile, a made-up eye, glasses, a beard, grey hair.
BASE = replace(
    factors(0),
    hair_style="short",
    hair_red=0.3,
    hair_grey=0.3,
    age=0.5,
    smile=0.5,
    mouth_open=0.5,
    eye_makeup=0.5,
    beard="goatee",
    glasses="round",
    neckline="round",
)
OTHER = {
    "hair_style": "long",
    "beard": "none",
    "glasses": "square",
    "neckline": "collar",
    "earrings": not BASE.earrings,
}


def changed(name: str) -> FaceFactors:
    value: Any = OTHER[name] if name in OTHER else getattr(BASE, name) + 0.1
    return replace(BASE, **{name: value})


@pytest.mark.parametrize("name", [field.name for field in fields(FaceFactors)])
def test_every_factor_changes_the_picture(name: str) -> None:
    assert (draw(changed(name), 64) != draw(BASE, 64)).any()


@pytest.mark.parametrize("style", HAIR_STYLES)
def test_every_hair_style_is_a_picture_of_its_own(style: str) -> None:
    others = [replace(BASE, hair_style=other) for other in HAIR_STYLES if other != style]
    picture = draw(replace(BASE, hair_style=style), 32)
    assert all((picture != draw(other, 32)).any() for other in others)


def test_every_style_but_bald_has_its_dials() -> None:
    assert set(STYLES) == set(HAIR_STYLES) - {"bald"}


def test_a_picture_depends_on_its_seed_alone() -> None:
    together = render([5, 2, 9, 2], 32)
    alone = np.concatenate([render([seed], 32) for seed in (5, 2, 9, 2)])
    np.testing.assert_array_equal(together, alone)


def test_a_picture_is_drawn_from_its_factors_alone() -> None:
    np.testing.assert_array_equal(draw(factors(11), 48), render([11], 48)[0])


def test_factors_survive_json() -> None:
    face = factors(2**40)
    assert FaceFactors(**json.loads(json.dumps(asdict(face), allow_nan=False))) == face


@pytest.mark.parametrize("size", [32, 50, 64, 128, 256])
def test_sizes(size: int) -> None:
    images = render([1], size)
    assert images.shape == (1, 3, size, size)
    assert images.dtype == np.uint8


def test_no_seeds_give_no_pictures() -> None:
    assert render([], 32).shape == (0, 3, 32, 32)


def test_a_larger_picture_shows_the_same_face() -> None:
    small, large = draw(factors(4), 64).astype(float), draw(factors(4), 256).astype(float)
    shrunk = large.reshape(3, 64, 4, 64, 4).mean((2, 4))
    assert np.abs(shrunk - small).mean() < 3


def test_five_hundred_seeds_are_five_hundred_faces() -> None:
    flat = render(range(500), 32).reshape(500, -1).astype(np.float32)
    squares = (flat**2).sum(1)
    distance = squares[:, None] + squares - 2 * flat @ flat.T
    np.fill_diagonal(distance, np.inf)
    nearest = np.sqrt(distance.min() / flat.shape[1])
    assert nearest > 4  # root mean square difference in grey levels


def test_the_population_has_every_kind() -> None:
    people = [factors(seed) for seed in range(500)]
    assert {face.hair_style for face in people} == set(HAIR_STYLES)
    assert {face.beard for face in people} == {"none", "stubble", "moustache", "goatee", "full"}
    assert {face.glasses for face in people} == {"none", "round", "square"}
    assert {face.neckline for face in people} == {"round", "vee", "collar"}
    assert {face.earrings for face in people} == {False, True}


def test_the_light_comes_from_where_it_says() -> None:
    face = replace(BASE, yaw=0.0, roll=0.0, shift_x=0.0, glasses="none", light_strength=0.8)
    left, right = (draw(replace(face, light_x=x), 64).astype(float) for x in (-0.8, 0.8))
    change = (right - left)[:, 24:48, 16:48].mean((0, 1))
    assert change[:8].mean() < -10
    assert change[-8:].mean() > 10


def mouth_column(face: FaceFactors) -> float:
    """Find the mouth as what lipstick changes."""
    bare, painted = (draw(replace(face, lip_colour=x), 64).astype(float) for x in (0.25, 1.25))
    change = np.abs(painted - bare).sum((0, 1))
    return float(change @ np.arange(64) / change.sum())


def test_a_turned_head_moves_the_mouth_across_the_picture() -> None:
    left, right = (mouth_column(replace(BASE, yaw=yaw, roll=0.0)) for yaw in (-0.4, 0.4))
    assert 3 < right - left < 9  # pixels


def test_ellipse_and_box_are_signed_distances() -> None:
    x = np.linspace(-2, 2, 9)
    np.testing.assert_allclose(ellipse(x, x * 0, 1.0, 1.0), np.abs(x) - 1, atol=1e-5)
    np.testing.assert_allclose(box(x, x * 0, 1.0, 1.0, 0.2), np.abs(x) - 1, atol=1e-12)


def test_soft_union_and_intersection_bound_the_hard_ones() -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 100))
    assert (join(a, b, 0.3) <= np.minimum(a, b) + 1e-12).all()
    assert (meet(a, b, 0.3) >= np.maximum(a, b) - 1e-12).all()
    np.testing.assert_allclose(join(a, a + 1, 0.3), a)
