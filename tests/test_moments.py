"""The Fréchet distance to a Gaussian that is given: a reference of which only statistics exist."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from facebench.errors import BadInput
from facebench.metrics import frechet_distance
from facebench.metrics.arrays import as_rows
from facebench.metrics.extrapolation import frechet_infinity_to_moments
from facebench.metrics.frechet import FixedGaussian, frechet_from_moments, frechet_to_moments
from facebench.metrics.moments import Moments
from facebench.metrics.uncertainty import Estimate


def normal(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d))


def given(d: int, rank: int | None = None, count: int | None = None) -> Moments:
    """Return a Gaussian of correlated features, of full rank or less."""
    mix = normal(d, rank or d, seed=9) * np.logspace(0, -1, rank or d)
    return Moments.of_covariance(np.linspace(-0.5, 0.5, d), mix @ mix.T, count)


@pytest.mark.parametrize("rank", [None, 7])
@pytest.mark.parametrize("n", [2, 30, 400])
def test_it_equals_the_distance_of_moments_at_any_number_of_images(
    n: int, rank: int | None
) -> None:
    fixed, fake = given(40, rank), normal(n, 40, 1)
    expected = frechet_from_moments(Moments.of(fake), fixed)
    assert frechet_to_moments(fake, fixed).value == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(("n", "d"), [(300, 600), (700, 600)])
def test_it_equals_the_distance_of_features_where_both_are_known(n: int, d: int) -> None:
    real, fake = normal(650, d), 1.1 * normal(n, d, 1)
    found = frechet_to_moments(fake, Moments.of(real)).value
    assert found == pytest.approx(frechet_distance(real, fake), rel=1e-9)


def test_it_equals_the_textbook_formula_at_full_rank() -> None:
    fixed, fake = given(20), 1.2 * normal(500, 20, 1)
    cov, mean = np.cov(fake, rowvar=False), fake.mean(0)
    root = sqrtm(cov @ fixed.covariance.numpy()).real
    shift = mean - fixed.mean.numpy()
    expected = shift @ shift + np.trace(cov + fixed.covariance.numpy() - 2 * root)
    assert frechet_to_moments(fake, fixed).value == pytest.approx(expected, rel=1e-9)


def test_how_many_images_the_statistics_are_of_changes_nothing() -> None:
    fake = normal(100, 10, 1)
    values = [frechet_to_moments(fake, given(10, count=count)).value for count in (None, 2, 5000)]
    assert values == pytest.approx([values[0]] * 3, rel=1e-12)
    with pytest.raises(BadInput, match="known of how many"):
        given(10).merge(given(10, count=5))


def test_the_influence_is_the_derivative_by_a_samples_weight() -> None:
    fake, fixed, step = normal(1000, 5, 1), given(5), 1e-6

    def weighted(weights: np.ndarray) -> float:
        weights = weights / weights.sum()
        mean = weights @ fake
        cov = (fake - mean).T * weights @ (fake - mean) * len(fake) / (len(fake) - 1)
        return frechet_from_moments(Moments.of_covariance(mean, cov), fixed)

    _, influence = FixedGaussian(fixed).with_influence(as_rows(fake))
    centred = (influence - influence.mean()).numpy()
    for image in (0, 7, 999):
        up, down = (np.full(1000, 1e-3) for _ in range(2))
        up[image] += step
        down[image] -= step
        slope = (weighted(up) - weighted(down)) / (2 * step)
        assert centred[image] == pytest.approx(slope, rel=0.01, abs=0.02)  # but for the N - 1


@pytest.mark.slow
@pytest.mark.parametrize(("n", "d"), [(400, 12), (150, 300)])
def test_the_interval_is_that_of_the_generated_images_alone(n: int, d: int) -> None:
    deviations = np.arange(1, d + 1) ** -0.5
    fixed = Moments.of_covariance(np.zeros(d), np.diag(deviations**2))

    def drawn(seed: int) -> Estimate:
        return frechet_to_moments((0.3 + 1.2 * normal(n, d, seed)) * deviations, fixed)

    found = [drawn(seed) for seed in range(1000, 1600)]
    truth = np.mean([estimate.value for estimate in found])
    intervals = np.array([estimate.interval() for estimate in found], np.float64)
    covered = ((intervals[:, 0] <= truth) & (truth <= intervals[:, 1])).mean()
    assert 0.925 <= covered <= 0.975


def test_extrapolation_shrinks_the_generated_set_alone() -> None:
    fixed, fake = given(8), normal(200, 8, 1)
    found = frechet_infinity_to_moments(fake, fixed)
    assert found.curve[0][1] == pytest.approx(frechet_to_moments(fake, fixed).value)
    inverse = 200 / np.array([count for count, _ in found.curve])
    line = np.polyfit(np.linspace(1, 2, 11), [value for _, value in found.curve], 1)
    assert inverse[-1] == pytest.approx(2)
    assert found.value == pytest.approx(line[1])
    assert found.groups is not None and found.groups.mean() == pytest.approx(found.value)


@pytest.mark.long
def test_extrapolation_takes_the_bias_of_few_images_away() -> None:
    fixed = Moments.of_covariance(np.zeros(16), np.eye(16))
    sets = [normal(300, 16, seed) + 0.3 for seed in range(40)]
    plain = [frechet_to_moments(fake, fixed).value for fake in sets]
    extrapolated = [frechet_infinity_to_moments(fake, fixed).value for fake in sets]
    error = np.std(extrapolated) / np.sqrt(40)
    truth = 16 * 0.3**2
    assert np.mean(extrapolated) == pytest.approx(truth, abs=3 * error)
    assert np.mean(plain) > truth + 5 * error


def test_a_tensor_is_compared_where_it_lies() -> None:
    fake, fixed = normal(50, 6, 1), given(6)
    found = frechet_to_moments(torch.from_numpy(fake), fixed).value
    assert found == frechet_to_moments(fake, fixed).value


@pytest.mark.parametrize(
    ("fake", "message"),
    [
        (normal(1, 6), "hold 1 samples where at least 2"),
        (normal(9, 5), "5 columns and the statistics are of 6"),
        (np.full((9, 6), np.nan), "hold NaN"),
    ],
)
def test_unusable_features_are_named(fake: np.ndarray, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        frechet_to_moments(fake, given(6))
