import numpy as np
import pytest
import torch
from scipy import stats

from facebench.metrics.diversity import diversity_estimate
from facebench.metrics.uncertainty import (
    Estimate,
    blocks,
    from_blocks,
    from_influence,
    from_splits,
    from_squared_distance,
    from_sums,
    pairs_counted_once,
)
from facebench.numerics.pair_moments import moments_of


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def test_of_a_mean_the_error_and_the_interval_are_students() -> None:
    values = normal(32 * 10) + 3
    estimate = from_influence(float(values.mean()), values)
    groups = values.reshape(32, 10).mean(1)
    assert estimate.groups == pytest.approx(groups)
    assert estimate.error == pytest.approx(stats.sem(groups))
    expected = stats.t.interval(0.95, 31, values.mean(), stats.sem(groups))
    assert estimate.interval() == pytest.approx(expected)


def test_the_errors_of_two_sets_add_up() -> None:
    # a difference of means: known variance 1/500 + 4/300
    errors = []
    for seed in range(200):
        x, y = normal(500, seed=seed), 2 * normal(300, seed=seed + 999)
        errors.append(from_influence(float(x.mean() - y.mean()), x, -y).error or 0)
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(
        np.sqrt(1 / 500 + 4 / 300), rel=0.05
    )


@pytest.mark.parametrize("n", [33, 40, 50, 100])
def test_groups_of_unequal_size_count_by_their_size(n: int) -> None:
    variances = [
        from_influence(0.0, normal(n, seed=seed)).error ** 2  # type: ignore[operator]
        for seed in range(400)
    ]
    assert np.mean(variances) == pytest.approx(1 / n, rel=0.06)


def test_sums_over_rows_say_what_single_influences_say() -> None:
    values = normal(320)
    rows = values.reshape(64, 5)
    one_by_one = from_influence(1.0, values)
    in_rows = from_sums(1.0, (rows.sum(1), np.full(64, 5)))
    assert in_rows.groups == pytest.approx(one_by_one.groups)


def test_noise_that_is_of_pairs_alone_counts_half() -> None:
    influence = torch.from_numpy(normal(400)) + 3
    square = influence.var(correction=0)
    for of_pairs, expected in ((0.0, 1.0), (0.5, 0.75), (1.0, 0.5), (9.0, 0.5)):
        found = pairs_counted_once(influence, of_pairs * square)
        assert float(found.square().mean() / square) == pytest.approx(expected)
        assert float(found.mean()) == pytest.approx(0, abs=1e-12)
    nothing = pairs_counted_once(torch.ones(9, dtype=torch.float64), square)
    assert nothing.tolist() == [0.0] * 9


@pytest.mark.parametrize("shift", [0.0, 0.15])
def test_the_interval_of_a_squared_distance_of_means_holds_it(shift: float) -> None:
    n, d, held, ratios = 200, 6, [], []
    for seed in range(400):
        x = torch.from_numpy(normal(n, d, seed=seed)) + shift
        # without bias: ‖mean‖² less the variance's part
        square = float(x.mean(0).square().sum())
        value = square - float(x.var(0).sum()) / n
        of_pairs = 4 * x.var(0).square().sum() / n
        estimate = from_squared_distance(value, [2 * x @ x.mean(0)], [of_pairs], square)
        low, high = estimate.interval() or (np.nan, np.nan)
        held.append(low <= d * shift**2 <= high)
        ratios.append((estimate.value, estimate.error))
    values, errors = np.array(ratios, np.float64).T
    assert 0.92 <= np.mean(held) <= 0.98
    assert 0.9 < np.sqrt(np.square(errors).mean()) / values.std() < 1.15


def test_an_interval_is_raised_as_far_as_its_value_at_most() -> None:
    estimate = Estimate(1.0, normal(32) + 1, raised=0.0)
    low, high = estimate.interval() or (0, 0)
    for raised in (0.001, 1e9):
        above = Estimate(1.0, estimate.groups, raised=raised).interval() or (0, 0)
        assert above[1] - above[0] == pytest.approx(high - low)
        assert low < above[0] <= 1.0 + 1e-12


def test_too_few_images_have_no_interval() -> None:
    for estimate in (
        from_influence(1.5, normal(4)),
        from_splits([1.0, 2.0]),
        from_blocks(1.0, []),
        Estimate(2.0),
    ):
        assert estimate.error is None
        assert estimate.interval() is None


def test_an_interval_stays_where_values_can_be() -> None:
    estimate = from_blocks(0.98, [0.9, 1.0, 0.95, 0.99, 1.0])
    low, high = estimate.interval((0.0, 1.0)) or (0, 0)
    assert 0 < low < 0.98 < high == 1


def test_blocks_share_no_image_and_leave_none_out() -> None:
    found = blocks(103, 250)
    assert len(found) == 10
    for side, count in enumerate((103, 250)):
        images = np.concatenate([np.arange(count)[block[side]] for block in found])
        assert (images == np.arange(count)).all()
    assert len(blocks(60, 250)) == 6
    assert blocks(49, 250) == []


def test_a_variance_that_falls_more_slowly_leaves_a_larger_error() -> None:
    values = normal(10)
    plain, slow = from_blocks(0.5, values), from_blocks(0.5, values, rate=0.8)
    assert plain.error == pytest.approx(stats.sem(values))
    # of a block of a tenth of the images the variance is 10^0.8 times the whole's, not 10 times
    assert slow.error == pytest.approx(np.std(values, ddof=1) / 10**0.4)
    assert slow.groups is not None
    assert slow.groups.mean() == pytest.approx(0.5)


def test_the_diversity_of_known_embeddings_is_covered() -> None:
    # The mean squared distance of two draws of N(0, I) of d dimensions is 2d.
    hits = []
    for seed in range(200):
        rows = [moments_of([[part]]) for part in torch.from_numpy(normal(20, 32, 12, seed=seed))]
        estimate = diversity_estimate(
            {key: torch.cat([row[key] for row in rows]).numpy() for key in rows[0]}
        )
        low, high = estimate.interval() or (0, 0)
        hits.append(low <= 24 <= high)
    assert 0.9 <= np.mean(hits) <= 0.98
