"""Pairs of sets that differ by chance alone."""

import numpy as np

from facebench.metrics.arrays import as_pair
from facebench.metrics.exchange import exchanged, halves


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
