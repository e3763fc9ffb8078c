import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from facebench.errors import BadInput
from facebench.metrics import authenticity, nearest_neighbours
from facebench.metrics.memorization import authenticity_estimate, memorization


def normal(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d))


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.linalg.norm(a[:, None] - b[None], axis=2)


def ratios(training: np.ndarray, fake: np.ndarray) -> np.ndarray:
    """The definition, point by point: a sample is authentic where this is above 1."""

    def ratio(sample: np.ndarray) -> float:
        to_training = np.linalg.norm(training - sample, axis=1)
        nearest = training[to_training.argmin()]
        others = np.delete(training, to_training.argmin(), axis=0)
        return to_training.min() / np.linalg.norm(others - nearest, axis=1).min()

    return np.array([ratio(sample) for sample in fake])


@pytest.mark.parametrize(("n", "m", "d"), [(60, 40, 3), (20, 90, 8), (2, 30, 2)])
def test_authenticity_agrees_with_the_slow_oracle(n: int, m: int, d: int) -> None:
    training, fake = normal(n, d), normal(m, d, seed=1)
    found, expected = memorization(training, fake, k=1), ratios(training, fake) > 1
    assert 0 < expected.sum() < m
    assert (found.authentic == expected).all()
    assert found.ratios == pytest.approx(ratios(training, fake), rel=1e-5)
    assert authenticity(training, fake) == pytest.approx(expected.mean(), abs=1e-12)


@pytest.mark.parametrize("memory", [1, 3_000, 1 << 30])
def test_neighbours_agree_with_the_slow_oracle_in_blocks_of_any_size(memory: int) -> None:
    queries, points = 2 * normal(70, 6) + 3, normal(50, 6, seed=1)
    found, indices = nearest_neighbours(queries, points, k=7, memory=memory)
    every = distances(queries, points)
    assert (indices == every.argsort(1)[:, :7]).all()
    assert found == pytest.approx(np.sort(every, 1)[:, :7], rel=1e-5)
    assert (found.dtype, indices.dtype) == (np.float32, np.int64)
    assert found.shape == indices.shape == (70, 7)


@pytest.mark.parametrize("memory", [1, 1 << 30])
@pytest.mark.parametrize("offset", [0, 1000])
def test_a_copy_is_found_at_distance_0_and_is_not_authentic(memory: int, offset: float) -> None:
    training = normal(150, 300) + offset
    order = np.random.default_rng(1).permutation(150)[:90]
    found = memorization(training, training[order], k=3, memory=memory)
    assert (found.distances[:, 0] == 0).all() and (found.distances[:, 1] > 10).all()
    assert (found.indices[:, 0] == order).all()
    assert found.authenticity.value == 0


def test_a_near_copy_is_measured_more_finely_than_a_float32_product_could() -> None:
    training = normal(100, 512)
    near = training[:50] + 1e-5 * normal(50, 512, seed=1)
    found, indices = nearest_neighbours(near, training, k=1)
    assert (indices[:, 0] == np.arange(50)).all()
    expected = np.linalg.norm(near - training[:50], axis=1)  # of points that are 22 from 0
    assert found[:, 0] == pytest.approx(expected, rel=0.01)


def test_images_that_the_training_set_repeats_are_copied_without_excuse() -> None:
    training = np.repeat(normal(5, 4), 3, axis=0)
    assert authenticity(training, training[::2]) == 0
    assert authenticity(training, training + 0.01) == 1  # farther than the repetitions are apart


def test_a_generator_that_copies_half_the_time_is_half_as_authentic() -> None:
    training, held_out = normal(400, 8), normal(400, 8, seed=1)
    half = np.where(np.arange(400)[:, None] % 2, training, held_out)
    whole = authenticity(training, held_out)
    assert authenticity(training, half) == pytest.approx(whole / 2, abs=0.05)
    # Held-out images of the same distribution are no copies, nor are all of them "authentic".
    assert 0.4 < whole < 0.8


def test_memorization_is_both_in_one() -> None:
    training, fake = normal(80, 5), normal(60, 5, seed=1)
    both = memorization(training, fake, k=4)
    found, indices = nearest_neighbours(fake, training, k=4)
    assert (both.distances == found).all() and (both.indices == indices).all()
    assert both.authenticity.value == authenticity(training, fake)


def test_tensors_give_what_arrays_give() -> None:
    training, fake = normal(30, 4).astype(np.float32), normal(20, 4, seed=1).astype(np.float32)
    for ours, theirs in zip(
        nearest_neighbours(fake, training),
        nearest_neighbours(torch.from_numpy(fake), torch.from_numpy(training)),
        strict=True,
    ):
        assert (ours == theirs).all()


def test_the_error_is_that_of_a_share_given_the_training_set() -> None:
    training, fake = normal(100, 4), normal(3200, 4, seed=1)
    estimate = authenticity_estimate(training, fake)
    share = estimate.value
    assert share == authenticity(training, fake)
    binomial = math.sqrt(share * (1 - share) / 3200)
    assert estimate.error == pytest.approx(binomial, rel=0.4)  # 32 groups tell it to 13 %


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nearest_neighbours(normal(9, 4), normal(3, 4), k=4), "neighbour number 4 among 3"),
        (lambda: nearest_neighbours(normal(9, 4), normal(3, 4), k=0), "k must be 1 or more"),
        (lambda: nearest_neighbours(normal(9, 4), normal(9, 3)), "3 columns and the generated"),
        (lambda: authenticity(normal(1, 4), normal(9, 4)), "neighbour number 1 among 0"),
        (lambda: authenticity(normal(9, 4) * np.nan, normal(9, 4)), "NaN or infinite"),
    ],
)
def test_unusable_input_is_named(call: Callable[[], object], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        call()
