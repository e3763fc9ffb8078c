"""Clipped Density and Clipped Coverage, by their formulas point by point, and as shares."""

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest

from facebench.errors import BadInput
from facebench.metrics import clipped_coverage, clipped_density
from facebench.metrics.clipped import expected_coverage, good_share
from facebench.metrics.manifold import manifold


def normal(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d))


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.linalg.norm(a[:, None] - b[None], axis=2)


def density_oracle(real: np.ndarray, fake: np.ndarray, k: int) -> float:
    among = distances(real, real)
    reaches = np.sort(among, 1)[:, k]  # the nearest is the point itself
    radii = np.minimum(reaches, np.median(reaches))
    of_samples = [min(1, (distances(real, s[None])[:, 0] <= radii).sum() / k) for s in fake]
    own = [min(1, (np.delete(among[:, i] <= radii, i)).sum() / k) for i in range(len(real))]
    return float(min(1, np.mean(of_samples) / np.mean(own)))


def coverage_oracle(real: np.ndarray, fake: np.ndarray, k: int) -> float:
    reaches = np.sort(distances(real, real), 1)[:, k]
    nearest = np.sort(distances(real, fake), 1)[:, :k]
    covered = (nearest < reaches[:, None]).mean()
    table = expected_coverage(np.arange(len(fake) + 1), len(real), k)
    return float(np.interp(covered, table, np.arange(len(fake) + 1))) / len(fake)


@pytest.mark.parametrize(
    ("n", "m", "d", "k"), [(40, 40, 3, 5), (31, 50, 8, 5), (50, 17, 2, 3), (25, 30, 4, 1)]
)
def test_both_agree_with_the_slow_oracles(n: int, m: int, d: int, k: int) -> None:
    real, fake = normal(n, d), 1.5 * normal(m, d, seed=1) + 0.8
    assert 0 < density_oracle(real, fake, k) < 1
    assert clipped_density(real, fake, k) == pytest.approx(density_oracle(real, fake, k), abs=1e-9)
    assert clipped_coverage(real, fake, k) == pytest.approx(
        coverage_oracle(real, fake, k), abs=1e-9
    )


@pytest.mark.parametrize(("n", "g", "k"), [(6, 4, 2), (7, 3, 5), (5, 6, 1), (8, 0, 3)])
def test_the_expected_coverage_is_that_of_all_orders(n: int, g: int, k: int) -> None:
    # About a real point, n - 1 others and g good samples in every order, equally often.
    total = n - 1 + g
    shares = []
    for places in combinations(range(total), n - 1):
        before = places[k - 1] - (k - 1)  # samples nearer than the k-th real point
        shares.append(min(before, k) / k)
    assert expected_coverage(np.array([g]), n, k) == pytest.approx(np.mean(shares), abs=1e-12)


def test_the_expected_coverage_is_inverted() -> None:
    table = expected_coverage(np.arange(301), 200)
    assert (np.diff(table) > 0).all()
    for good in (0, 1, 80, 150):
        assert good_share(float(table[good]), 200, 150)[0] == pytest.approx(good / 150)
    between = float(table[80] + table[81]) / 2
    assert good_share(between, 200, 150)[0] == pytest.approx(80.5 / 150)
    assert good_share(1.0, 200, 150)[0] <= 2


@pytest.mark.parametrize("d", [2, 16, 64])
def test_both_are_linear_in_the_share_of_bad_samples(d: int) -> None:
    # Here those of one draw; tests/bench/simulations.py has repetitions.
    real, good, bad = normal(600, d), normal(600, d, 1), 0.1 * normal(600, d, 2) + 6
    bads = np.linspace(0, 1, 11)
    scores = []
    for share in bads:
        fake = np.concatenate([bad[: round(600 * share)], good[round(600 * share) :]])
        scores.append((clipped_density(real, fake), clipped_coverage(real, fake)))
    for found in np.transpose(scores):
        assert np.corrcoef(bads, found)[0, 1] ** 2 >= 0.99
        assert found[0] > 0.85 and found[-1] == 0


@pytest.mark.parametrize("memory", [1, 20_000, 1 << 30])
@pytest.mark.parametrize("offset", [0, 1000])
def test_copies_are_perfect_in_every_block(memory: int, offset: float) -> None:
    real = normal(151, 20) + offset
    fake = np.roll(real, 7, axis=0)
    assert clipped_density(real, fake, memory=memory) == 1
    assert clipped_coverage(real, fake, memory=memory) == 1


def test_duplicates_lie_on_balls_of_radius_0_and_not_in_them() -> None:
    real = np.repeat(normal(5, 30), 8, axis=0) + 100
    assert (clipped_density(real, real[::-1]), clipped_coverage(real, real[::-1])) == (1, 0)


def test_an_outlier_among_the_real_images_flatters_no_sample() -> None:
    real, far = normal(300, 8), normal(300, 8, 1) + 40
    outlier = real.copy()
    outlier[0] += 80  # whose own ball reaches beyond the far samples
    assert clipped_density(outlier, far) == clipped_density(real, far) == 0


def test_a_generator_that_repeats_one_face_is_dense_and_covers_little() -> None:
    real = normal(500, 8)
    fake = np.repeat(real[np.linalg.norm(real, axis=1).argmin()][None], 500, axis=0)
    assert clipped_density(real, fake) == 1
    assert clipped_coverage(real, fake) < 0.1


def test_more_samples_than_needed_are_no_more_than_all() -> None:
    assert clipped_coverage(normal(50, 3), normal(2000, 3, 1)) <= 1
    every = np.repeat(normal(6, 3), 900, axis=0) + 1e-3 * normal(5400, 3, 1)
    assert clipped_coverage(normal(6, 3), every) == 1  # of which float64 cannot tell more
    share, slope = good_share(1.0, 6, 5400)
    assert share == pytest.approx(2, abs=1e-3) and slope == 0


def test_both_are_of_the_sweep_that_has_the_others() -> None:
    real, fake = normal(300, 6), 1.1 * normal(400, 6, seed=1)
    density, coverage = manifold(real, fake).clipped
    assert density.value == clipped_density(real, fake)
    assert coverage.value == clipped_coverage(real, fake)
    for estimate in (density, coverage):
        assert estimate.groups is not None and estimate.error is not None
        assert estimate.groups.mean() == pytest.approx(estimate.value)
        assert 0.005 < estimate.error < 0.2


def test_no_value_is_beyond_1_and_the_nearer_the_less_models_differ_by_noise() -> None:
    real = normal(400, 4)
    near, off = (manifold(real, normal(400, 4, 1) + shift).clipped.density for shift in (0, 1))
    assert near.value == pytest.approx(1, abs=0.1) and off.value < 0.8
    assert near.of_interval is not None and near.groups is not None
    assert near.groups.std() < 0.95 * near.of_interval.std()
    assert off.groups is not None and off.of_interval is not None
    assert off.groups.std() == pytest.approx(off.of_interval.std(), rel=1e-3)


def test_the_errors_are_standard_deviations() -> None:
    draws = [
        manifold(normal(300, 16, seed), 1.1 * normal(300, 16, seed + 1000) + 0.2).clipped
        for seed in range(80)
    ]
    for name in ("density", "coverage"):
        found = [getattr(draw, name) for draw in draws]
        spread = np.std([estimate.value for estimate in found])
        errors = np.array([estimate.error for estimate in found])
        assert np.sqrt(np.square(errors).mean()) == pytest.approx(spread, rel=0.25), name


@pytest.mark.parametrize("metric", [clipped_density, clipped_coverage])
def test_unusable_input_is_named(metric: Callable[..., float]) -> None:
    with pytest.raises(BadInput, match="real features hold 5 samples where at least 6"):
        metric(normal(5, 4), normal(9, 4))
    with pytest.raises(BadInput, match="k must be 1 or more"):
        metric(normal(9, 4), normal(9, 4), 0)
    with pytest.raises(BadInput, match="4 columns and the generated ones 2"):
        metric(normal(9, 4), normal(9, 2))


def test_one_image_repeated_has_pseudo_values_about_its_value() -> None:
    rng = np.random.default_rng(0)
    real = rng.standard_normal((500, 16))
    nearest = real[np.square(real).sum(1).argsort()[:1]]
    for estimate in manifold(real, np.repeat(nearest + 1e-3, 500, 0), 3, 5).clipped:
        assert estimate.groups is not None
        assert estimate.groups.mean() == pytest.approx(estimate.value, abs=1e-9)


@pytest.mark.parametrize("copies", [6, 8, 20])
def test_real_images_that_repeat_do_not_raise_the_density(copies: int) -> None:
    rng = np.random.default_rng(0)
    real = np.repeat(rng.standard_normal((480 // copies, 8)), copies, 0)
    samples = rng.standard_normal((480, 8)) + 50.0
    samples[:96] = real[rng.permutation(480)[:96]]
    found = clipped_density(real, samples)
    assert found == pytest.approx(0.2)


def test_many_more_generated_images_have_no_interval_where_all_places_are_full() -> None:
    rng = np.random.default_rng(0)
    real, samples = rng.standard_normal((100, 4)), rng.standard_normal((4000, 4))
    coverage = manifold(real, samples, 3, 5).clipped.coverage
    assert coverage.groups is None and "nothing is known of its noise" in coverage.note
    assert manifold(real, samples[:100], 3, 5).clipped.coverage.groups is not None
