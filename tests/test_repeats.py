"""How sure the shares of a generator are that repeats its images."""

import numpy as np
import pytest

from facebench.metrics.distances import as_points
from facebench.metrics.manifold import Manifold, manifold
from facebench.metrics.repeats import with_repeats
from facebench.metrics.sweep import sweep
from facebench.metrics.uncertainty import Estimate, from_blocks


def normal(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d))


def draws(images: int, count: int = 100, n: int = 300, d: int = 16) -> list[Manifold]:
    """Score a generator that has so many images in all, against new real ones each time."""
    random, its_own = np.random.default_rng(1), normal(images, d, 2)
    chosen = (its_own[random.integers(images, size=n)] for _ in range(count))
    return [manifold(normal(n, d, 100 + i), fake) for i, fake in enumerate(chosen)]


@pytest.mark.long
@pytest.mark.parametrize("images", [10, 150])
def test_the_errors_are_standard_deviations(images: int) -> None:
    found = draws(images)
    estimates = {
        "precision": [each.estimates.precision for each in found],
        "density": [each.estimates.density for each in found],
        "clipped coverage": [each.clipped.coverage for each in found],
    }
    for name, several in estimates.items():
        spread = np.std([estimate.value for estimate in several])
        errors = np.array([estimate.error for estimate in several])
        # Blocks alone would find .36 of precision's; 100 draws tell it to 7 %.
        assert np.sqrt(np.square(errors).mean()) == pytest.approx(spread, rel=0.25), name


def test_images_are_told_apart_by_all_their_features() -> None:
    fake = np.concatenate([normal(5, 3), normal(5, 3)[::-1], normal(5, 3, 1)])
    swept = sweep(*as_points(normal(20, 3, 2), fake), 3, 5, strict=False)
    assert swept.repeats is not None
    same = swept.repeats[:, None] == swept.repeats
    assert (same == (fake[:, None] == fake).all(2)).all()
    assert sorted(set(swept.repeats)) == list(range(10))
    assert swept.repeated == pytest.approx(1 / 3)


def test_where_nothing_is_repeated_nothing_is_added() -> None:
    swept = sweep(*as_points(normal(20, 3), normal(30, 3, 1)), 3, 5, strict=False)
    assert swept.repeats is None and swept.repeated == 0


def test_a_repeated_image_that_is_inside_in_half_the_blocks_is_one_chance() -> None:
    inside = [np.full(10, block % 2 == 0) for block in range(10)]
    before = from_blocks(0.5, [each.mean() for each in inside])
    after = with_repeats(before, np.zeros(100, int), inside)
    assert before.error is not None and after.error is not None
    # One image is all there is: its chance, 1/2, is that of the whole, not a tenth of it.
    assert after.error**2 == pytest.approx(before.error**2 + 0.99 * 10 / 36)
    assert after.value == 0.5


def test_images_that_are_always_inside_add_nothing() -> None:
    inside = [np.ones(10, bool)] * 10
    before = Estimate(1.0, np.linspace(0.9, 1.1, 10))
    assert with_repeats(before, np.arange(100) % 7, inside) is before
    bare = Estimate(1.0)
    assert with_repeats(bare, np.arange(100) % 7, []) is bare
