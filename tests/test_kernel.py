from typing import Any

import numpy as np
import pytest
import torch
from torch_fidelity.metric_kid import kid_features_to_metric

from facebench.errors import BadInput
from facebench.metrics import cmmd, kernel_distance
from facebench.metrics.arrays import Rows, as_pair
from facebench.metrics.kernel import cmmd_estimate, kernel_estimate
from facebench.metrics.mmd import mmd2, whole


def normal(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d))


def oracle(x: np.ndarray, y: np.ndarray) -> float:
    """Unbiased MMD² pair by pair."""

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return float((a @ b / len(a) + 1) ** 3)

    def within(s: np.ndarray) -> float:
        return float(np.mean([kernel(a, b) for i, a in enumerate(s) for b in np.delete(s, i, 0)]))

    return within(x) + within(y) - 2 * float(np.mean([kernel(a, b) for a in x for b in y]))


def published(fake: np.ndarray, real: np.ndarray, **options: int) -> dict[str, float]:
    return kid_features_to_metric(
        torch.from_numpy(fake), torch.from_numpy(real), verbose=False, **options
    )


def test_agrees_with_the_slow_oracle() -> None:
    x, y = normal(12, 5), normal(12, 5, seed=1) + 0.5
    assert kernel_distance(x, y, subset_size=12) == pytest.approx(oracle(x, y), rel=1e-12)


def test_point_masses_have_the_closed_form() -> None:
    # x = 0 and y = s·1: k(x, x) = k(x, y) = 1 and k(y, y) = (s² + 1)³
    x, y = np.zeros((5, 7)), np.full((5, 7), 2.0)
    assert kernel_distance(x, y, subset_size=5) == pytest.approx(5**3 - 1, rel=1e-12)


@pytest.mark.parametrize(
    ("n", "m", "seed"), [(200, 150, 2020), (100, 150, 7), (150, 100, 7), (800, 600, 7)]
)
def test_equals_torch_fidelity_with_the_same_seed_and_subsets(n: int, m: int, seed: int) -> None:
    real, fake = normal(n, 32), normal(m, 32, seed=1) * 1.2
    value = kernel_distance(real, fake, subsets=20, subset_size=100, seed=seed)
    theirs = published(fake, real, kid_subsets=20, kid_subset_size=100, rng_seed=seed)
    assert value == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-10)


def test_equals_torch_fidelitys_float32() -> None:
    real = np.maximum(normal(300, 64), 0).astype(np.float32)
    fake = np.maximum(normal(300, 64, seed=1) + 0.2, 0).astype(np.float32)
    theirs = published(fake, real, kid_subsets=20, kid_subset_size=100)
    assert kernel_distance(real, fake, subsets=20, subset_size=100) == pytest.approx(
        theirs["kernel_inception_distance_mean"], rel=1e-4
    )


def test_one_draw_stands_for_all_where_each_is_the_whole_set() -> None:
    x, y = normal(50, 8), normal(50, 8, seed=1)
    value = kernel_distance(x, y, subset_size=50)
    theirs = published(y, x, kid_subsets=3, kid_subset_size=50)
    assert value == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-10)


def test_is_unbiased_between_equal_distributions() -> None:
    values = [
        kernel_distance(normal(20, 4, seed), normal(20, 4, seed + 1000), subset_size=20)
        for seed in range(400)
    ]
    assert min(values) < 0 < max(values)
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(400)


def test_the_seed_decides_the_subsets() -> None:
    x, y = normal(60, 8), normal(60, 8, seed=1)
    first, again, other = (kernel_distance(x, y, 5, 20, seed) for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize(
    ("fake", "subsets", "size", "message"),
    [
        (normal(9, 4), 100, 10, "generated features hold 9 samples where at least 10"),
        (normal(99, 4), 0, 10, "0 subsets of 10"),
        (normal(99, 4), 100, 1, "100 subsets of 1"),
        (normal(99, 3), 100, 10, "4 columns and the generated ones 3"),
    ],
)
def test_unusable_input_is_named(fake: np.ndarray, subsets: int, size: int, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        kernel_distance(normal(99, 4), fake, subsets, size)


def test_a_cmmd_agrees_with_the_slow_oracle() -> None:
    x, y = normal(12, 5), normal(9, 5, seed=1) + 0.5

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
        return float(np.exp(-((a - b) ** 2).sum() / (2 * 10**2)))

    def within(s: np.ndarray) -> float:
        return float(np.mean([kernel(a, b) for i, a in enumerate(s) for b in np.delete(s, i, 0)]))

    across = np.mean([kernel(a, b) for a in x for b in y])
    expected = 1000 * (within(x) + within(y) - 2 * across)
    assert cmmd(x, y) == pytest.approx(expected, rel=1e-9)


def test_a_cmmd_does_not_know_lengths() -> None:
    x, y = normal(20, 5), normal(20, 5, seed=1)
    assert cmmd(x, y) == pytest.approx(cmmd(3 * x, 0.1 * y), rel=1e-9)


def test_the_jackknife_of_whole_sets_is_that_of_leaving_groups_out() -> None:
    x, y = normal(320, 6), 1.3 * normal(320, 6, seed=1) + 0.2
    estimate = kernel_estimate(x, y, subset_size=320)
    assert estimate.groups is not None
    parts = np.array_split(np.arange(320), 32)

    def without(group: np.ndarray) -> float:
        return kernel_distance(np.delete(x, group, 0), np.delete(y, group, 0), subset_size=310)

    left_out = 32 * estimate.value - 31 * np.array([without(group) for group in parts])
    assert np.corrcoef(estimate.groups, left_out)[0, 1] > 0.99
    assert np.std(left_out) == pytest.approx(np.std(estimate.groups), rel=0.1)


def test_the_error_counts_what_drawing_subsets_adds() -> None:
    errors, values = [], []
    for seed in range(60):
        x, y = normal(400, 4, 2 * seed), normal(400, 4, 2 * seed + 1) + 0.3
        estimate = kernel_estimate(x, y, subsets=5, subset_size=100, seed=seed)
        values.append(estimate.value)
        errors.append(estimate.error or 0)
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.3)


def test_what_pairs_add_is_the_kernel_without_its_means() -> None:
    def even(n: int, seed: int) -> np.ndarray:
        return np.random.default_rng(seed).uniform(-(3**0.5), 3**0.5, (n, 3))

    def kernel(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return (a @ b.T).square()

    x, y = even(300, 0), even(200, 1)
    found = mmd2(*_with_members(x, y), kernel)
    # of features with the covariance 1, without its means: (xᵀy)² - ‖x‖² - ‖y‖² + 3
    z, w = even(200_000, 2), even(200_000, 3)
    centred = (z * w).sum(1) ** 2 - (z**2).sum(1) - (w**2).sum(1) + 3
    assert found.pairs.numpy() == pytest.approx(np.full((1, 3), np.mean(centred**2)), rel=0.1)
    own = np.mean((x**2).sum(1) ** 2) - np.mean(((x @ x.T) ** 2)[~np.eye(300, dtype=bool)])
    assert float(found.own[0, 0]) == pytest.approx(own)


def _with_members(x: np.ndarray, y: np.ndarray) -> tuple[Rows, torch.Tensor, Rows, torch.Tensor]:
    a, b = as_pair(x, y)
    return a, whole(a), b, whole(b)


@pytest.mark.parametrize("estimate", [cmmd_estimate, lambda x, y: kernel_estimate(x, y, 10, 100)])
def test_between_equal_distributions_the_error_is_how_far_values_scatter(estimate: Any) -> None:
    found = [estimate(normal(200, 8, 2 * seed), normal(150, 8, 2 * seed + 1)) for seed in range(80)]
    errors = np.array([each.error for each in found])
    stated = np.sqrt(np.square(errors).mean())
    assert 0.8 < stated / np.std([each.value for each in found]) < 1.25
