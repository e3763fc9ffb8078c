import math

import numpy as np
import pytest
from pretended_gpu import pretended_gpu

from facebench.errors import BadInput
from facebench.metrics import renyi, rke
from facebench.metrics.device import computing_on
from facebench.metrics.feature_sets import Comparison, FeatureSet
from facebench.metrics.renyi import rke_estimate
from facebench.metrics.table import METRICS


def normal(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d))


def width(real: np.ndarray) -> float:
    """Half the root of the mean squared distance of two different images, pair by pair."""
    squares = [np.square(a - b).sum() for i, a in enumerate(real) for b in np.delete(real, i, 0)]
    return math.sqrt(np.mean(squares)) / 2


def oracle(features: np.ndarray, bandwidth: float) -> float:
    """The definition, pair by pair."""

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return math.exp(-np.square(a - b).sum() / 2 / bandwidth**2)

    pairs = [(a, b) for i, a in enumerate(features) for b in np.delete(features, i, 0)]
    return float(1 / np.mean([kernel(a, b) ** 2 for a, b in pairs]))


@pytest.mark.parametrize(("n", "d"), [(40, 5), (30, 60)])
def test_agrees_with_the_slow_oracle(n: int, d: int) -> None:
    real, fake = normal(n, d) + 3, 1.1 * normal(n - 7, d, 1)
    estimate = rke_estimate(real, fake)
    assert estimate.value == pytest.approx(oracle(fake, width(real)), rel=1e-10)
    assert estimate.details == {"bandwidth": pytest.approx(width(real), rel=1e-12)}
    assert rke(fake, width(real)) == pytest.approx(estimate.value, rel=1e-10)
    assert rke(real) == pytest.approx(oracle(real, width(real)), rel=1e-10)


def test_modes_that_are_far_apart_are_counted() -> None:
    modes = 1000 * np.eye(8)
    features = np.repeat(modes, 250, 0) + 1e-3 * normal(2000, 8)
    assert rke(features, bandwidth=1.0) == pytest.approx(8, rel=0.01)
    assert rke(np.ones((30, 4)), bandwidth=1.0) == 1


def test_is_unbiased_at_any_n() -> None:
    # the mean of exp(-‖x - y‖²/s²) over normal x and y is (1 + 4/s²)^(-d/2)
    likeness = np.mean([1 / rke(normal(20, 8, seed), 3.0) for seed in range(1000)])
    assert likeness == pytest.approx((1 + 4 / 3.0**2) ** -4, rel=0.02)


def test_gaussians_have_the_closed_form() -> None:
    assert rke(normal(3000, 6), 2.5) == pytest.approx((1 + 4 / 2.5**2) ** 3, rel=0.05)


def test_pseudo_values_are_those_of_leaving_groups_out() -> None:
    real, fake = normal(320, 6), 1.2 * normal(640, 6, 1)
    estimate = rke_estimate(real, fake)
    assert estimate.groups is not None and estimate.of_interval is not None
    bandwidth = estimate.details["bandwidth"]
    assert isinstance(bandwidth, float)
    parts = [np.array_split(np.arange(len(z)), 32) for z in (real, fake)]
    without = [(np.delete(real, a, 0), np.delete(fake, b, 0)) for a, b in zip(*parts, strict=True)]
    given = -31 * np.array([rke(y, bandwidth) for _, y in without])
    drawn = -31 * np.array([rke_estimate(x, y).value for x, y in without])
    for expected, found in ((given, estimate.groups), (drawn, estimate.of_interval)):
        assert np.corrcoef(found, expected)[0, 1] > 0.99
        assert np.std(found) == pytest.approx(np.std(expected), rel=0.1)


def test_random_frequencies_meet_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    real, fake = normal(300, 10), 1.1 * normal(400, 10, 1) + 0.2
    exact = rke_estimate(real, fake)
    monkeypatch.setattr(renyi, "EXACT", 100)
    drawn = rke_estimate(real, fake)
    error = drawn.details["error_of_random_frequencies"]
    assert isinstance(error, float) and 0 < error < 0.1 * exact.value
    assert drawn.value == pytest.approx(exact.value, abs=3 * error)
    assert drawn.error == pytest.approx(exact.error, rel=0.1)
    for kind in ("groups", "of_interval"):
        assert np.corrcoef(getattr(drawn, kind), getattr(exact, kind))[0, 1] > 0.95


@pytest.mark.parametrize("exact", [10, 1000])
def test_a_gpu_gives_the_same(exact: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renyi, "EXACT", exact)
    real, fake = normal(50, 5), normal(43, 5, 1)
    here = rke_estimate(real, fake)
    with pretended_gpu(), computing_on("cuda"):
        there = rke_estimate(real, fake)
    assert (there.value, there.details) == (here.value, here.details)
    np.testing.assert_array_equal(there.of_interval, here.of_interval)


def test_parts_do_not_change_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real, fake = normal(50, 5), normal(43, 5, 1)
    whole = rke_estimate(real, fake)
    monkeypatch.setattr("facebench.metrics.arrays.CHUNK", 9)
    parts = rke_estimate(real, fake)
    assert parts.value == pytest.approx(whole.value, rel=1e-12)
    assert parts.error == pytest.approx(whole.error, rel=1e-10)


def test_the_reference_is_the_real_images_own() -> None:
    real, fake = normal(60, 5), normal(60, 5, 1)
    found = METRICS["rke"].compute(Comparison(FeatureSet(real), FeatureSet(fake)))
    assert found.reference == rke(real)
    same = METRICS["rke"].compute(Comparison(FeatureSet(real), FeatureSet(real)))
    assert same.value == same.reference


def test_what_has_no_value_is_refused() -> None:
    with pytest.raises(BadInput, match="not 0: real images that are all alike have none"):
        rke_estimate(np.ones((9, 4)), normal(9, 4))
    with pytest.raises(
        BadInput, match="No two of the 9 images are alike at the real images' scale"
    ):
        rke_estimate(normal(9, 4), 1e4 * normal(9, 4))
    with pytest.raises(BadInput, match="a bandwidth above 0, not -1"):
        rke(normal(9, 4), -1.0)
    with pytest.raises(BadInput, match="hold 1 samples where at least 2"):
        rke(normal(1, 4))
