"""C_T: its formula cell by cell, and whether it sees copies."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from facebench.errors import BadInput
from facebench.metrics import data_copying_test
from facebench.metrics.copy_rows import ROWS
from facebench.metrics.data_copying import Cells, cells_of, data_copying_estimate
from facebench.metrics.feature_sets import Comparison, FeatureSet
from facebench.metrics.paired import difference
from facebench.results.result import Value

CT = next(row for row in ROWS if row.key == "ct")


def normal(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d))


def oracle(cells: Cells, held_out: np.ndarray, fake: np.ndarray, fewest: int = 10) -> float:
    """Meehan et al.'s formula, with scipy's U."""
    mean, axes = cells.mean.numpy(), cells.axes.numpy()

    def nearest(points: np.ndarray, others: np.ndarray) -> np.ndarray:
        return np.linalg.norm(points[:, None] - others[None], axis=2)

    total = weights = 0.0
    p, q = ((each - mean) @ axes for each in (held_out, fake))
    in_p, in_q = (nearest(each, cells.centres).argmin(1) for each in (p, q))
    for cell, part in enumerate(cells.parts):
        a, b = (nearest(x[i == cell], part).min(1) for x, i in ((p, in_p), (q, in_q)))
        n, m = len(a), len(b)
        if min(n, m) >= fewest:
            u = mannwhitneyu(b, a).statistic
            total += n * (u - n * m / 2) / np.sqrt(n * m * (n + m + 1) / 12)
            weights += n
    return total / weights


@pytest.mark.parametrize("d", [3, 90])
def test_it_agrees_with_the_slow_oracle(d: int) -> None:
    training, held_out = normal(200, d), normal(150, d, 1)
    fake = 1.2 * normal(170, d, 2)
    fake[:30] = training[:30]
    expected = oracle(cells_of(training), held_out, fake)
    assert data_copying_test(training, held_out, fake) == pytest.approx(expected, abs=1e-9)
    assert expected != 0


@pytest.mark.parametrize("memory", [1, 1 << 30])
def test_held_out_images_themselves_score_0_and_copies_far_below(memory: int) -> None:
    training, held_out = normal(300, 20), normal(200, 20, 1)
    assert abs(data_copying_test(training, held_out, held_out, memory)) < 1e-12
    assert data_copying_test(training, held_out, training[:200], memory) < -8
    assert data_copying_test(training, held_out, 3 * normal(200, 20, 2), memory) > 8


def test_a_fifth_of_copies_is_seen_among_a_thousand_and_chance_is_not() -> None:
    training = normal(3000, 24)
    cells = cells_of(training)
    chance, copying = [], []
    for seed in range(40):
        held_out, fake = normal(1000, 24, 2 * seed + 1), normal(1000, 24, 2 * seed + 2)
        chance.append(data_copying_estimate(cells, held_out, fake).value)
        fake[::5] = training[:200]
        copying.append(data_copying_estimate(cells, held_out, fake).value)
    assert max(copying) < -3
    assert np.mean(np.abs(chance) < 1.2) >= 0.85  # of 40: the docs have 500
    assert 0.4 < np.std(chance) < 0.75


def test_its_error_is_its_standard_deviation() -> None:
    cells = cells_of(normal(1000, 8))
    found = []
    for seed in range(80):
        fake = 1.1 * normal(400, 8, 2 * seed + 2)
        fake[: 10 + seed % 5] *= 0.1
        found.append(data_copying_estimate(cells, normal(400, 8, 2 * seed + 1), fake))
    spread = np.std([estimate.value for estimate in found])
    errors = np.array([estimate.error for estimate in found])
    assert np.sqrt(np.square(errors).mean()) == pytest.approx(spread, rel=0.25)


def test_its_influence_is_its_derivative_by_the_weight_of_an_image() -> None:
    # Twice the images of one group, in the same cells: the groups' pseudo-values say how it moves.
    training, held_out, fake = normal(500, 4), normal(3200, 4, 1), 1.1 * normal(3200, 4, 2)
    cells = cells_of(training)
    whole = data_copying_estimate(cells, held_out, fake)
    assert whole.groups is not None and len(whole.groups) == 32
    assert whole.groups.mean() == pytest.approx(whole.value)
    kept = np.arange(3200) >= 100  # all but the first group
    without = data_copying_estimate(cells, held_out[kept], fake[kept]).value * np.sqrt(32 / 31)
    assert (without - whole.value) * -31 == pytest.approx(
        whole.groups[0] - whole.value, abs=0.1 * float(np.ptp(whole.groups))
    )


def test_what_each_cell_tells_is_said_and_sparse_ones_are_skipped() -> None:
    centres = np.eye(3)[[0, 1, 2] * 100] * 50
    training, held_out = centres + normal(300, 3), (centres + normal(300, 3, 1))[:200]
    fake = (centres + normal(300, 3, 2))[centres[:, 0] == 0][:150]  # none in the first place
    cells = cells_of(training)
    assert sorted(map(len, cells.parts)) == [100, 100, 100]
    found = data_copying_estimate(cells, held_out, fake)
    assert found.value == pytest.approx(oracle(cells, held_out, fake))
    assert found.note == "1 of 3 cells hold too few images and are skipped"
    told = [str(found.details[f"cell {i}"]) for i in (1, 2, 3)]
    assert sum("skipped: too few" in each for each in told) == 1
    assert sum("z = " in each for each in told) == 2
    assert all("of the held-out images" in each for each in told)


def test_cells_are_the_same_each_time_and_hold_all_training_images() -> None:
    training = normal(400, 100)
    one, other = cells_of(training), cells_of(training)
    assert (one.centres == other.centres).all()
    assert sum(map(len, one.parts)) == 400 and one.axes.shape == (100, 64)
    same = cells_of(np.ones((9, 4)))  # one image nine times
    assert sum(map(len, same.parts)) == 9


def test_neither_copies_nor_poor_images_rank_before_fresh_ones() -> None:
    training, held_out, fresh = normal(900, 8), normal(400, 8, 1), normal(400, 8, 2)
    cells = cells_of(training)

    def value(fake: np.ndarray) -> Value:
        found = data_copying_estimate(cells, held_out, fake)
        assert found.groups is not None
        return Value(found.value, reference=found.reference, groups=tuple(found.groups))

    for worse in (training[:400], 2 * fresh):
        assert difference(value(fresh), value(worse), CT.better).verdict == "first"


def test_the_row_needs_training_images_and_others() -> None:
    real, fake, training = (FeatureSet(normal(90, 4, seed)) for seed in range(3))
    found = CT.compute(Comparison(real, fake, training))
    assert found.reference == 0
    assert found.value == data_copying_test(training.features, real.features, fake.features)
    assert training.cells is training.cells
    with pytest.raises(BadInput, match="needs the training images' features"):
        CT.compute(Comparison(real, fake))
    with pytest.raises(BadInput, match="that are not training images: give a data set with a hold"):
        CT.compute(Comparison(real, fake, training, is_apart=False))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: data_copying_test(normal(2, 4), normal(9, 4), normal(9, 4)),
            "2 samples where at le",
        ),
        (
            lambda: data_copying_test(normal(9, 4), normal(9, 4), normal(9, 4)),
            "holds 10 held-out and",
        ),
        (
            lambda: data_copying_test(normal(9, 4), normal(9, 3), normal(9, 4)),
            "held-out ones 3: comp",
        ),
        (
            lambda: data_copying_test(normal(9, 4), normal(9, 4), normal(9, 3)),
            "generated ones 3: com",
        ),
        (
            lambda: data_copying_test(normal(9, 4) * np.nan, normal(9, 4), normal(9, 4)),
            "NaN or infin",
        ),
    ],
)
def test_unusable_input_is_named(call: Callable[[], object], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        call()
