import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch_fidelity.metric_prc import prc_features_to_metric

from facebench.errors import BadInput
from facebench.metrics import density_coverage, precision_recall
from facebench.metrics.distances import as_points
from facebench.metrics.manifold import (
    ManifoldEstimates,
    ManifoldScores,
    manifold_estimates,
    manifold_scores,
)


def normal(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d))


def oracle(real: np.ndarray, fake: np.ndarray, k: int, k_density: int) -> ManifoldScores:
    """The definitions, point by point, on distances from differences."""

    def radius(points: np.ndarray, i: int, k: int) -> float:
        others = np.delete(points, i, axis=0)
        return float(np.sort(np.linalg.norm(others - points[i], axis=1))[k - 1])

    def inside(candidates: np.ndarray, points: np.ndarray) -> float:
        radii = [radius(points, i, k) for i in range(len(points))]
        hits = [(np.linalg.norm(points - c, axis=1) <= radii).any() for c in candidates]
        return float(np.mean(hits))

    crowd = np.array(
        [
            (np.linalg.norm(fake - x, axis=1) < radius(real, i, k_density)).sum()
            for i, x in enumerate(real)
        ]
    )
    return ManifoldScores(
        precision=inside(fake, real),
        recall=inside(real, fake),
        density=float(crowd.sum()) / (k_density * len(fake)),
        coverage=float((crowd > 0).mean()),
    )


def expected_coverage(n: int, m: int, k: int) -> float:
    """Naeem et al. 2020 for equal distributions: not all k neighbours of a real point are real."""
    return 1 - math.comb(n - 1, k) / math.comb(n + m - 1, k)


@pytest.mark.parametrize(("n", "m", "d"), [(40, 40, 3), (30, 50, 8), (50, 17, 2)])
def test_agrees_with_the_slow_oracle(n: int, m: int, d: int) -> None:
    real, fake = normal(n, d), 1.3 * normal(m, d, seed=1) + 0.2
    scores = manifold_scores(real, fake)
    assert scores == pytest.approx(oracle(real, fake, 3, 5), abs=1e-12)
    assert precision_recall(real, fake) == scores[:2]
    assert density_coverage(real, fake) == scores[2:]


@pytest.mark.parametrize("k", [1, 2, 7])
def test_agrees_with_the_slow_oracle_at_any_k(k: int) -> None:
    real, fake = normal(25, 4), normal(20, 4, seed=1)
    expected = oracle(real, fake, k, k)
    assert precision_recall(real, fake, k) == pytest.approx(expected[:2], abs=1e-12)
    assert density_coverage(real, fake, k) == pytest.approx(expected[2:], abs=1e-12)


def test_equals_torch_fidelity_whose_first_input_is_the_generated_set() -> None:
    real, fake = normal(500, 16), 0.8 * normal(400, 16, seed=1)
    theirs = prc_features_to_metric(torch.from_numpy(fake), torch.from_numpy(real), verbose=False)
    precision, recall = precision_recall(real, fake)
    assert precision == pytest.approx(theirs["precision"], abs=1.01 / 400)
    assert recall == pytest.approx(theirs["recall"], abs=1.01 / 500)


@pytest.mark.parametrize("copies", [False, True])
def test_equals_prdc_whose_balls_are_all_open(copies: bool) -> None:
    prdc = pytest.importorskip("prdc")
    real, fake = normal(500, 16), 0.8 * normal(400, 16, seed=1)
    if copies:  # distances that equal a radius, where ≤ and < differ
        fake[:100] = real[:100]
    theirs = prdc.compute_prdc(real, fake, nearest_k=5)
    ours = manifold_scores(real, fake, k=5, strict=True)
    assert ours == pytest.approx(tuple(theirs[key] for key in ours._fields), abs=1e-12)
    assert precision_recall(real, fake, k=5, strict=True) == ours[:2]


def test_only_closed_balls_hold_points_on_their_surface() -> None:
    # On a line, at k = 1, each real ball is 2 wide and reaches to the next points.
    real, fake = 2.0 * np.arange(4)[:, None], np.array([[-2.0], [8.0]])
    assert precision_recall(real, fake, k=1)[0] == 1
    assert precision_recall(real, fake, k=1, strict=True)[0] == 0


@pytest.mark.parametrize("memory", [1, 5_000, 20_000])
def test_the_block_size_does_not_show(memory: int) -> None:
    real, fake = normal(150, 20), normal(120, 20, seed=1)
    assert manifold_scores(real, fake, memory=memory) == manifold_scores(real, fake)


@pytest.mark.parametrize("memory", [1, 20_000, 1 << 30])
@pytest.mark.parametrize("offset", [0, 1000])
def test_ties_are_ties_in_every_block(memory: int, offset: float) -> None:
    # A generator that copies the training set: each radius is also a distance to a copy.
    real = normal(150, 20) + offset
    scores = manifold_scores(real, np.roll(real, 7, axis=0), memory=memory)
    # Each open ball holds its own centre's copy and k - 1 more.
    assert scores == ManifoldScores(precision=1, recall=1, density=1, coverage=1)


@pytest.mark.parametrize("memory", [1, 1 << 30])
def test_duplicates_lie_on_balls_of_radius_0_and_not_in_them(memory: int) -> None:
    real = np.repeat(normal(5, 30), 8, axis=0) + 100
    scores = manifold_scores(real, real[::-1], memory=memory)
    assert scores == ManifoldScores(precision=1, recall=1, density=0, coverage=0)
    assert scores == manifold_scores(np.full((9, 3), 0.1), np.full((9, 3), 0.1))


@pytest.mark.parametrize("scale", [1e-18, 1e18, 3e37])
def test_the_unit_of_the_features_does_not_show(scale: float) -> None:
    real, fake = normal(60, 5), normal(50, 5, seed=1)
    assert manifold_scores(scale * real, scale * fake) == manifold_scores(real, fake)


def test_products_round_by_less_than_the_thickness_of_a_sphere() -> None:
    spectrum = 1 / np.arange(1, 2049)  # the largest terms first, to which small ones are added
    x, _ = as_points(normal(300, 2048) * spectrum, normal(9, 2048, seed=1) * spectrum, memory=1)
    exact = torch.cdist(x.values.double(), x.values.double()).square()
    for rows, block in x.distances_to(x):
        for j in range(0, 300, 50):
            wrong = (block[:, j] - exact[rows, j]).abs()
            assert (wrong < x[rows].rounding(block[:, j].clamp(min=0)) / 1.1).all()


@pytest.mark.parametrize("memory", [1 << 20, 1 << 30])
def test_a_read_only_memory_map_scores_as_its_array(tmp_path: Path, memory: int) -> None:
    real, fake = normal(300, 6).astype(np.float32), normal(300, 6, seed=1).astype(np.float32)
    np.save(tmp_path / "real.npy", real)
    mapped = np.load(tmp_path / "real.npy", mmap_mode="r")
    assert manifold_scores(mapped, fake, memory=memory) == manifold_scores(real, fake)


def test_blocks_stay_within_the_memory() -> None:
    x, y = as_points(normal(400, 10), normal(500, 10, seed=1), memory=100_000)
    blocks = [block for _, block in x.distances_to(y)]
    assert sum(map(len, blocks)) == 400
    assert len(blocks) == math.ceil(400 / (100_000 // (8 * 500 + 12 * 10)))
    assert max(block.nbytes for block in blocks) <= 50_000  # the other half is for comparing them


def test_a_collapsed_generator_has_high_precision_and_low_recall() -> None:
    real = normal(500, 8)
    collapsed = real[:1] + 1e-3 * normal(500, 8, seed=1)
    precision, recall = precision_recall(real, collapsed)
    assert precision == 1
    assert recall <= 1 / 500
    # and the other way round: a generator that covers far more than the data
    assert precision_recall(collapsed, real) == (recall, precision)
    density, coverage = density_coverage(real, collapsed)
    assert density > 1
    assert coverage < 0.1


def test_equal_distributions_have_naeems_closed_forms() -> None:
    n, m = 60, 40
    scores = [
        density_coverage(normal(n, 4, seed), normal(m, 4, seed + 1000)) for seed in range(300)
    ]
    errors = np.std(scores, axis=0) / math.sqrt(300)
    deviations = np.mean(scores, axis=0) - [1, expected_coverage(n, m, 5)]
    assert (np.abs(deviations) < 3 * errors).all()
    assert (errors < 0.01).all()


@pytest.mark.slow
def test_published_figures_of_two_normal_sets() -> None:
    # prdc's README, one draw; its precision and recall are of k = 5, too
    published = ManifoldScores(precision=0.4772, recall=0.4705, density=1.0555, coverage=0.9735)
    seeds = range(10)
    scores = np.array([manifold_scores(*two_normal_sets(seed), k=5, strict=True) for seed in seeds])
    assert (np.abs(scores.mean(0) - published) < 3 * scores.std(0, ddof=1)).all()
    assert (scores.std(0) < [0.02, 0.02, 0.15, 0.005]).all()  # so that this says something


def two_normal_sets(seed: int) -> tuple[np.ndarray, np.ndarray]:
    both = np.random.default_rng(seed).standard_normal((2, 10_000, 1000), np.float32)
    return both[0], both[1]


def test_estimates_are_the_scores_and_their_errors() -> None:
    real, fake = normal(300, 6), 1.1 * normal(400, 6, seed=1)
    estimates = manifold_estimates(real, fake)
    assert tuple(e.value for e in estimates) == manifold_scores(real, fake)
    for name, estimate in zip(ManifoldEstimates._fields, estimates, strict=True):
        assert estimate.groups is not None and estimate.error is not None, name
        assert estimate.groups.mean() == pytest.approx(estimate.value)
        assert 0.001 < estimate.error < 0.1, name


def test_estimates_take_the_strict_definition_and_any_cap() -> None:
    real = 2.0 * np.arange(100)[:, None]
    fake = real - 2  # of which the first is on the surface of the first real ball
    strict = manifold_estimates(real, fake, k=1, strict=True, memory=1000)
    assert tuple(e.value for e in strict) == manifold_scores(real, fake, k=1, strict=True)
    assert (strict.precision.value, manifold_scores(real, fake, k=1).precision) == (0.99, 1)


def test_sets_too_small_for_blocks_have_shares_without_an_error() -> None:
    small = manifold_estimates(normal(40, 3), normal(40, 3, seed=1))
    assert small.precision.error is None and small.coverage.error is None
    assert small.density.error is not None
    # blocks of 10 hold no neighbour number 10
    assert manifold_estimates(normal(100, 3), normal(100, 3, seed=1), k=10).recall.error is None


def test_the_error_of_density_is_its_standard_deviation() -> None:
    draws = [
        manifold_estimates(normal(300, 32, seed), 0.95 * normal(300, 32, seed + 1000)).density
        for seed in range(100)
    ]
    spread = np.std([draw.value for draw in draws])
    errors = np.array([draw.error for draw in draws], np.float64)
    # 100 draws tell a standard deviation to 7 %. Crowds and hosts alone would find .75 of it.
    assert math.sqrt((errors**2).mean()) == pytest.approx(spread, rel=0.22)


def test_identical_scores_from_tensors_and_arrays() -> None:
    real, fake = normal(30, 4).astype(np.float32), normal(30, 4, seed=1).astype(np.float32)
    assert manifold_scores(torch.from_numpy(real), fake) == manifold_scores(real, fake)


@pytest.mark.parametrize(
    ("real", "fake", "k", "message"),
    [
        (normal(3, 4), normal(9, 4), 3, "real features hold 3 samples where at least 4"),
        (normal(9, 4), normal(5, 4), 5, "generated features hold 5 samples where at least 6"),
        (normal(9, 4), normal(9, 4), 0, "k must be 1 or more"),
        (normal(9, 4), normal(9, 2), 3, "4 columns and the generated ones 2"),
    ],
)
def test_unusable_input_is_named(real: np.ndarray, fake: np.ndarray, k: int, message: str) -> None:
    for metric in (precision_recall, density_coverage):
        with pytest.raises(BadInput, match=message):
            metric(real, fake, k)
