import numpy as np
import pytest

from facebench.errors import BadInput
from facebench.metrics import frechet_distance, frechet_infinity
from facebench.metrics.extrapolation import frechet_infinity_estimate
from facebench.metrics.uncertainty import Estimate


def normal(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d))


def test_a_line_in_1_over_n_is_followed_to_its_end() -> None:
    estimate = frechet_infinity_estimate(normal(300, 8), normal(200, 8, seed=1) + 0.5)
    assert estimate.curve is not None
    counts, distances = np.array(estimate.curve).T
    inverse_parts = np.linspace(1, 2, 11)
    np.testing.assert_array_equal(counts, np.round(200 / inverse_parts))
    at_infinity = np.polyfit(inverse_parts, distances, 1)[1]
    assert estimate.value == pytest.approx(at_infinity)


@pytest.mark.long
def test_the_bias_of_few_images_is_taken_away() -> None:
    shift = 0.3
    truth = 16 * shift**2
    pairs = [(normal(400, 16, 2 * s), normal(400, 16, 2 * s + 1) + shift) for s in range(30)]
    extrapolated = [frechet_infinity(real, fake) for real, fake in pairs]
    plain = [frechet_distance(real, fake) for real, fake in pairs]
    error = np.std(extrapolated) / np.sqrt(30)
    assert np.mean(extrapolated) == pytest.approx(truth, abs=3 * error)
    assert np.mean(plain) > truth + 5 * error


def test_the_seed_decides_the_subsets() -> None:
    real, fake = normal(60, 4), normal(50, 4, seed=1)
    assert frechet_infinity(real, fake, 1) == frechet_infinity(real, fake, 1)
    assert frechet_infinity(real, fake, 1) != frechet_infinity(real, fake, 2)


def test_the_estimate_carries_pseudo_values_about_the_value() -> None:
    estimate = frechet_infinity_estimate(normal(320, 8), normal(200, 8, seed=1) + 0.5)
    assert estimate.groups is not None
    assert estimate.groups.mean() == pytest.approx(estimate.value)
    assert 0 < (estimate.error or 0) < estimate.value


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "d", "shift", "scale"),
    [(300, 8, 0.3, 1.2), (300, 8, 0.0, 1.0), (60, 100, 0.0, 1.0)],
    ids=["unlike", "equal", "equal, d > n"],
)
def test_the_error_is_how_far_repetitions_scatter(
    n: int, d: int, shift: float, scale: float
) -> None:
    def drawn(seed: int) -> Estimate:
        x, z = np.random.default_rng(seed).standard_normal((2, n, d))
        return frechet_infinity_estimate(x, shift + scale * z)

    found = [drawn(seed) for seed in range(60)]
    errors = np.array([estimate.error for estimate in found], np.float64)
    stated = np.sqrt(np.square(errors).mean())
    assert 0.8 < stated / np.std([estimate.value for estimate in found], ddof=1) < 1.25


def test_too_few_images_are_refused() -> None:
    with pytest.raises(BadInput, match="hold 3 samples where at least 4"):
        frechet_infinity(normal(3, 4), normal(40, 4))
