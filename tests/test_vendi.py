import numpy as np
import pytest

from facebench.errors import BadInput
from facebench.metrics import vendi
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


@pytest.mark.parametrize("d", [10, 500])
def test_pseudo_values_are_those_of_leaving_groups_out(d: int) -> None:
    features = normal(320, d) * np.arange(1, d + 1) ** -0.5 + 0.1
    estimate = vendi_estimate(features)
    assert estimate.groups is not None
    left_out = -31 * np.array(
        [vendi(np.delete(features, part, 0)) for part in np.array_split(np.arange(320), 32)]
    )
    assert np.corrcoef(estimate.groups, left_out)[0, 1] > 0.95
    assert np.std(left_out) == pytest.approx(np.std(estimate.groups), rel=0.2)


def test_one_image_is_refused() -> None:
    with pytest.raises(BadInput, match="hold 1 samples where at least 2"):
        vendi(np.ones((1, 4)))
