"""Pairs of sets that differ by chance alone."""

import numpy as np
import pytest

from facebench.metrics.arrays import as_pair
from facebench.metrics.exchange import exchanged, halves, shares
from facebench.metrics.frechet import frechet_estimate


def test_each_image_is_in_one_of_both_sets_and_the_sets_are_as_large() -> None:
    x, y = as_pair(np.zeros((300, 2)), np.ones((200, 2)))
    a, b = exchanged(x, y)
    assert (len(a), len(b)) == (300, 200)
    ones = float(a[:][:, 0].sum()), float(b[:][:, 0].sum())
    assert sum(ones) == 200
    assert 90 < ones[0] < 150  # 120 are expected


def test_the_same_places_are_exchanged_each_time() -> None:
    x, y = as_pair(np.arange(40.0)[:, None], np.arange(30.0)[:, None])
    first, again = exchanged(x, y), exchanged(x, y)
    assert all(one[:].equal(other[:]) for one, other in zip(first, again, strict=True))


def test_halves_are_of_images_from_everywhere_and_share_none() -> None:
    x, _ = as_pair(np.arange(401.0)[:, None], np.zeros((1, 1)))
    a, b = (set(half[:][:, 0].tolist()) for half in halves(x))
    assert (len(a), len(b)) == (200, 201)
    assert a | b == set(range(401))
    assert 60 < sum(number < 200 for number in a) < 140


def test_of_more_images_than_noise_needs_some_are_taken() -> None:
    x, y = as_pair(np.zeros((9000, 1)), np.ones((50, 1)))
    a, b = exchanged(x, y)
    assert (len(a), len(b)) == (4096, 50)
    assert float(a[:].sum() + b[:].sum()) == 50
    assert sum(map(len, halves(x))) == 4096


def test_a_set_that_scatters_less_has_less_of_the_mixtures_noise() -> None:
    draw = np.random.default_rng(0).standard_normal
    x, y = as_pair(draw((400, 4)), 0.1 * draw((400, 4)))
    wide, tight = map(float, shares((x, y), exchanged(x, y)))
    assert wide == 1
    assert tight == pytest.approx(0.01 / ((1 + 0.01) / 2), rel=0.1)


def test_two_equal_generators_far_from_the_real_images_differ_as_their_errors_say() -> None:
    differences, stated = [], []
    for rng in map(np.random.default_rng, np.random.SeedSequence(7).spawn(80)):
        real = rng.standard_normal((300, 8))
        pair = [0.1 * rng.standard_normal((300, 8)) + 10 * np.eye(8)[0] for _ in range(2)]
        a, b = (frechet_estimate(real, fake) for fake in pair)
        assert a.groups is not None and b.groups is not None
        apart = a.groups - b.groups
        differences.append(apart.mean())
        stated.append(apart.std(ddof=1) / np.sqrt(len(apart)))
    ratio = np.sqrt(np.square(stated).mean()) / np.std(differences, ddof=1)
    assert 0.85 < ratio < 1.2
