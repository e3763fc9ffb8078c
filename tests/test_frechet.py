from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

from facebench.errors import BadInput
from facebench.metrics import frechet_distance
from facebench.metrics.frechet import (
    Moments,
    frechet_estimate,
    frechet_from_moments,
    frechet_to_moments,
)
from facebench.metrics.uncertainty import Estimate


def normal(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d))


def mixed(n: int, d: int, seed: int = 0) -> np.ndarray:
    """Correlated features whose variances span four decades, off centre."""
    mix = normal(d, d, seed=99) * np.logspace(0, -2, d)
    return normal(n, d, seed) @ mix + normal(1, d, seed=98)


def oracle(x: np.ndarray, y: np.ndarray) -> float:
    """The textbook formula, through the eigenvalues of the unsymmetric product."""
    a, b = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    roots = np.sqrt(np.linalg.eigvals(a @ b).astype(complex)).real
    shift = x.mean(0) - y.mean(0)
    return float(shift @ shift + np.trace(a) + np.trace(b) - 2 * roots.sum())


@pytest.mark.parametrize("n", [10, 500])
def test_shift_by_s_in_each_of_d_dimensions_is_d_s_squared(n: int) -> None:
    x = mixed(n, 40)
    assert frechet_distance(x, x + 0.7) == pytest.approx(40 * 0.7**2, rel=1e-9)


def test_diagonal_scaling_is_the_sum_of_squared_differences_of_deviations() -> None:
    # Orthogonal columns of mean 0 make the covariance exactly diagonal.
    columns = np.linalg.qr(np.column_stack([np.ones(100), normal(100, 5)]))[0][:, 1:]
    x = columns * np.sqrt(99) * np.arange(1, 6)  # deviations 1 to 5
    factors = np.array([0.5, 1, 2, 3, 0])
    expected = ((np.arange(1, 6) * (1 - factors)) ** 2).sum()
    assert frechet_distance(x, x * factors) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("n", "m"), [(300, 300), (300, 1000), (1000, 101)])
def test_agrees_with_the_slow_oracle_at_full_rank(n: int, m: int) -> None:
    x, y = mixed(n, 100), 1.1 * mixed(m, 100, seed=1)
    assert frechet_distance(x, y) == pytest.approx(oracle(x, y), rel=1e-9)


def test_equals_torch_fidelity_on_the_same_features() -> None:
    x, y = mixed(400, 64).astype(np.float32), mixed(300, 64, seed=1).astype(np.float32) * 1.2
    statistics = [fid_features_to_statistics(torch.from_numpy(f).double()) for f in (y, x)]
    published = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    assert frechet_distance(x, y) == pytest.approx(published, rel=1e-9)


@pytest.mark.parametrize(("n", "m"), [(60, 60), (60, 500), (500, 60), (2, 500)])
def test_low_rank_path_equals_the_path_over_covariances(n: int, m: int) -> None:
    x, y = mixed(n, 100), 1.1 * mixed(m, 100, seed=1)
    full = frechet_from_moments(Moments.of(x), Moments.of(y))
    assert frechet_distance(x, y) == pytest.approx(full, rel=1e-9)


@pytest.mark.parametrize("n", [50, 200])
def test_is_symmetric_and_independent_of_row_order(n: int) -> None:
    x, y = mixed(n, 100), mixed(200, 100, seed=1)
    value = frechet_distance(x, y)
    assert frechet_distance(y, x) == pytest.approx(value, rel=1e-11)
    assert frechet_distance(x[::-1], y[::-1]) == pytest.approx(value, rel=1e-11)


@pytest.mark.parametrize("n", [2, 10, 500, 1000])
def test_of_a_set_and_itself_is_0_at_any_rank(n: int) -> None:
    x = mixed(n, 600)
    assert 0 <= frechet_distance(x, x) < 1e-9
    assert 0 <= frechet_from_moments(Moments.of(x), Moments.of(x)) < 1e-9


@pytest.mark.parametrize("n", [2, 10, 300])
def test_is_finite_and_not_negative_on_degenerate_features(n: int) -> None:
    random, constant = normal(n, 50), np.full((n, 50), 3.0)
    duplicated = np.repeat(random[:2], n // 2, axis=0)
    for x in (random, constant, duplicated):
        for y in (random, constant, duplicated):
            value = frechet_distance(x, y)
            assert np.isfinite(value)
            assert value >= 0
            assert frechet_from_moments(Moments.of(x), Moments.of(y)) == pytest.approx(
                value, rel=1e-9, abs=1e-9
            )


def test_from_constant_features_is_the_shift_and_the_variance() -> None:
    x = normal(300, 20)
    expected = ((x.mean(0) - 3) ** 2).sum() + x.var(0, ddof=1).sum()
    assert frechet_distance(x, np.full((300, 20), 3.0)) == pytest.approx(expected, rel=1e-12)


def test_a_mean_of_a_hundred_million_costs_no_accuracy() -> None:
    x, y = normal(5000, 8).round(4), normal(5000, 8, seed=1).round(4)
    assert frechet_distance(x + 1e8, y + 1e8) == pytest.approx(frechet_distance(x, y), rel=1e-4)


def test_moments_equal_numpys_whatever_the_parts_and_their_order() -> None:
    x = mixed(9000, 6)  # more than a chunk
    bounds = [0, 1, 40, 4000, 8999, 9000]
    parts = [Moments.of(x[a:b]) for a, b in pairwise(bounds)]
    for moments in (
        Moments.of(x),
        reduce(Moments.merge, parts),
        reduce(Moments.merge, reversed(parts)),
        parts[0] + ((parts[1] + parts[2]) + (parts[3] + parts[4])),
    ):
        assert moments.count == 9000
        np.testing.assert_allclose(moments.mean, x.mean(0), rtol=1e-12)
        np.testing.assert_allclose(moments.covariance, np.cov(x, rowvar=False), rtol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_takes_tensors_of_any_float_type_and_computes_in_float64(dtype: torch.dtype) -> None:
    x, y = torch.from_numpy(normal(50, 4)).to(dtype), torch.from_numpy(normal(50, 4, 1)).to(dtype)
    assert frechet_distance(x, y) == frechet_distance(x.double().numpy(), y.double().numpy())


def test_takes_read_only_and_strided_arrays() -> None:
    x = normal(100, 4)
    x.flags.writeable = False
    assert frechet_distance(x[::2], x[1::2]) == frechet_distance(x[::2].copy(), x[1::2].copy())


@pytest.mark.parametrize(
    ("real", "fake", "message"),
    [
        (normal(1, 4), normal(9, 4), "real features hold 1 samples where at least 2"),
        (normal(9, 4), normal(9, 5), "4 columns and the generated ones 5"),
        (normal(9, 4)[0], normal(9, 4), r"shape \(n, d\), not \(4,\)"),
        (normal(9, 4), np.full((9, 4), np.nan), "generated features hold NaN"),
        (np.full((9, 4), -np.inf), normal(9, 4), "real features hold NaN or infinite"),
        (normal(9, 4) * 1j, normal(9, 4), "must be real numbers, not complex128"),
        (torch.zeros(9, 4, dtype=torch.complex64), normal(9, 4), "must be real numbers"),
    ],
)
def test_unusable_features_are_named(
    real: np.ndarray | torch.Tensor, fake: np.ndarray, message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        frechet_distance(real, fake)


def test_moments_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(BadInput, match="4 and of 5"):
        Moments.of(normal(9, 4)).merge(Moments.of(normal(9, 5)))
    with pytest.raises(BadInput, match="at least 2 samples, not 1"):
        frechet_from_moments(Moments.of(normal(1, 4)), Moments.of(normal(9, 4)))


@pytest.mark.parametrize(("n", "d"), [(320, 10), (320, 800)])
def test_pseudo_values_are_those_of_leaving_groups_out(n: int, d: int) -> None:
    scales = np.arange(1, d + 1) ** -0.5
    real, fake = normal(n, d) * scales, (1.2 * normal(n, d, seed=1) + 0.2) * scales
    estimate = frechet_estimate(real, fake)
    assert estimate.value == pytest.approx(frechet_distance(real, fake), rel=1e-12)
    assert estimate.groups is not None
    parts = np.array_split(np.arange(n), 32)
    left_out = -31 * np.array(
        [frechet_distance(np.delete(real, p, 0), np.delete(fake, p, 0)) for p in parts]
    )
    assert np.corrcoef(estimate.groups, left_out)[0, 1] > 0.95
    assert np.std(left_out) == pytest.approx(np.std(estimate.groups), rel=0.2)


@pytest.mark.parametrize(("n", "d"), [(2, 4), (10, 4), (500, 600)])
def test_few_or_equal_samples_have_an_estimate_without_nonsense(n: int, d: int) -> None:
    for real, fake in (
        (normal(n, d), normal(n, d, seed=1)),
        (np.repeat(normal(1, d), n, 0), np.repeat(normal(1, d, seed=1), n, 0)),
        (np.ones((n, d)), np.ones((n, d))),
    ):
        estimate = frechet_estimate(real, fake)
        assert 0 <= estimate.value < np.inf
        if n < 5:
            assert estimate.error is None
        else:
            assert 0 <= (estimate.error or 0) < np.inf


@pytest.mark.parametrize(("n", "m", "d"), [(60, 80, 12), (12, 30, 40), (30, 12, 40), (9, 90, 20)])
def test_large_products_are_decomposed_by_way_of_their_squares_alike(
    n: int, m: int, d: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = normal(n, d, seed=1), normal(m, d, seed=2) * np.linspace(0.1, 3, d) + 0.3
    values = frechet_distance(x, y), *frechet_estimate(x, y).groups  # type: ignore[misc]
    monkeypatch.setattr("facebench.metrics.frechet.SMALL", 0)
    again = frechet_distance(x, y), *frechet_estimate(x, y).groups  # type: ignore[misc]
    assert again == pytest.approx(values, rel=1e-6)


def test_repeated_images_show_little_in_the_squares(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = normal(60, 80, seed=1), np.repeat(normal(4, 80, seed=2), 15, axis=0)
    value, estimate = frechet_distance(x, y), frechet_estimate(x, y)
    monkeypatch.setattr("facebench.metrics.frechet.SMALL", 0)
    assert frechet_distance(x, y) == pytest.approx(value, rel=1e-6)
    assert frechet_estimate(x, y).groups == pytest.approx(estimate.groups, rel=1e-5)


@pytest.mark.parametrize(("n", "m", "d"), [(200, 150, 6), (60, 90, 150)])
def test_between_equal_distributions_the_error_is_how_far_values_scatter(
    n: int, m: int, d: int
) -> None:
    scales = np.arange(1, d + 1) ** -0.5
    found = [
        frechet_estimate(normal(n, d, 2 * seed) * scales, normal(m, d, 2 * seed + 1) * scales)
        for seed in range(80)
    ]
    assert 0.8 < _ratio(found) < 1.25


def test_the_error_to_a_gaussian_is_how_far_values_scatter() -> None:
    exact = Moments.of_covariance(np.zeros(6), np.eye(6))
    found = [frechet_to_moments(normal(200, 6, seed), exact) for seed in range(80)]
    assert 0.8 < _ratio(found) < 1.25
    assert frechet_to_moments(normal(3, 6), exact).error is None


def _ratio(found: list[Estimate]) -> float:
    errors = np.array([each.error for each in found], np.float64)
    return float(np.sqrt(np.square(errors).mean()) / np.std([each.value for each in found]))
