import numpy as np
import pytest
import torch
from torch_fidelity.metric_isc import isc_features_to_metric

from facebench.errors import BadInput
from facebench.metrics.inception import inception_score


def normal(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d))


def one_hot_logits(n: int, classes: int) -> np.ndarray:
    """Certain predictions of each class in turn; all other probabilities underflow to 0."""
    return 1e4 * np.eye(classes)[np.arange(n) % classes]


def oracle(logits: np.ndarray) -> float:
    """exp of the mean KL divergence, image by image."""
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    marginal = p.mean(0)
    return float(np.exp(np.mean([(row * np.log(row / marginal)).sum() for row in p])))


def test_agrees_with_the_slow_oracle() -> None:
    logits = 2 * normal(50, 7)
    assert inception_score(logits, splits=1) == pytest.approx((oracle(logits), 0), rel=1e-12)


@pytest.mark.parametrize(("n", "splits", "seed"), [(1000, 10, 2020), (999, 7, 1)])
def test_equals_torch_fidelity(n: int, splits: int, seed: int) -> None:
    logits = torch.from_numpy(3 * normal(n, 40)).float()
    theirs = isc_features_to_metric(logits, splits, shuffle=True, rng_seed=seed)
    mean, std = inception_score(logits, splits, seed)
    assert mean == pytest.approx(theirs["inception_score_mean"], rel=1e-10)
    assert std == pytest.approx(theirs["inception_score_std"], rel=1e-8)


def test_uniform_predictions_score_1() -> None:
    assert inception_score(np.full((100, 8), 2.5)) == pytest.approx((1, 0), rel=1e-12)


def test_certain_predictions_of_c_classes_equally_often_score_c() -> None:
    mean, std = inception_score(one_hot_logits(120, 6), splits=1)
    assert mean == pytest.approx(6, rel=1e-12)
    assert std == 0


def test_a_certain_classifier_of_a_single_class_scores_1() -> None:
    assert inception_score(one_hot_logits(100, 6)[[0] * 100])[0] == pytest.approx(1, rel=1e-12)


def test_the_seed_decides_the_splits() -> None:
    logits = 2 * normal(100, 5)
    assert inception_score(logits, seed=1) == inception_score(logits, seed=1)
    assert inception_score(logits, seed=1) != inception_score(logits, seed=2)


def test_unusable_input_is_named() -> None:
    with pytest.raises(BadInput, match="logits hold 9 samples where at least 10"):
        inception_score(normal(9, 4))
    with pytest.raises(BadInput, match="0 splits"):
        inception_score(normal(9, 4), splits=0)
    with pytest.raises(BadInput, match="logits hold NaN"):
        inception_score(np.full((20, 4), np.nan))
