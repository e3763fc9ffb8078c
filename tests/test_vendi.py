import numpy as np
import pytest

from facebench.errors import BadInput
from facebench.metrics import vendi
from facebench.metrics.uncertainty import from_influence
from facebench.metrics.vendi_score import vendi_estimate


def normal(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d))


def oracle(features: np.ndarray) -> float:
    """The definition: the entropy of the n×n similarity matrix."""
    z = features / np.linalg.norm(features, axis=1, keepdims=True)
    eigenvalues = np.linalg.eigvalsh(z @ z.T / len(z))
    positive = eigenvalues[eigenvalues > 1e-14]
    return float(np.exp(-(positive * np.log(positive)).sum()))


@pytest.mark.parametrize(("n", "d"), [(40, 7), (7, 40), (20, 20)])
def test_agrees_with_the_slow_oracle(n: int, d: int) -> None:
    features = normal(n, d) + 0.5
    assert vendi(features) == pytest.approx(oracle(features), rel=1e-9)


def test_counts_what_is_different() -> None:
    assert vendi(np.ones((30, 4))) == pytest.approx(1)
    assert vendi(np.repeat(np.eye(5), 6, 0)) == pytest.approx(5)
    assert vendi(np.eye(5, 9)) == pytest.approx(5)


@pytest.mark.parametrize(("n", "d"), [(320, 10), (96, 200), (64, 64), (40, 600)])
def test_pseudo_values_are_those_of_leaving_each_out(n: int, d: int) -> None:
    features = normal(n, d) * np.arange(1, d + 1) ** -0.5 + 0.1
    groups = vendi_estimate(features).groups
    without = np.array([vendi(np.delete(features, i, 0)) for i in range(n)])
    slow = from_influence(0.0, -(n - 1) * without).groups
    assert groups is not None and slow is not None
    assert np.corrcoef(groups, slow)[0, 1] == pytest.approx(1, abs=1e-9)
    assert 0.7 < np.std(groups) / np.std(slow) <= 1 + 1e-9


def test_repeated_images_have_an_error_without_nonsense() -> None:
    for features in (np.ones((30, 4)), np.repeat(np.eye(5), 6, 0), np.eye(9), np.zeros((9, 3))):
        assert 0 <= (vendi_estimate(features).error or 0) < np.inf


@pytest.mark.parametrize(("n", "d"), [(150, 5), (60, 160)])
def test_the_error_is_how_far_repetitions_scatter(n: int, d: int) -> None:
    # (n, 5): all directions alike, where the score is at its greatest
    scales = np.arange(1, d + 1) ** (-0.5 * (d > n))
    found = [vendi_estimate(normal(n, d, seed) * scales) for seed in range(150)]
    errors = np.array([each.error for each in found], np.float64)
    stated = np.sqrt(np.square(errors).mean())
    assert 0.85 < stated / np.std([each.value for each in found]) < 1.2


def test_one_image_is_refused() -> None:
    with pytest.raises(BadInput, match="hold 1 samples where at least 2"):
        vendi(np.ones((1, 4)))
