import numpy as np
import pytest

from facebench.sampler import Images, LatentSampler, Sampler, latents, to_uint8


@pytest.mark.parametrize("batch", [1, 3, 7, 20])
def test_latents_do_not_depend_on_the_batch(batch: int) -> None:
    parts = [latents(range(i, min(i + batch, 20)), 9) for i in range(0, 20, batch)]
    np.testing.assert_array_equal(np.concatenate(parts), latents(range(20), 9))


def test_latents_do_not_depend_on_what_was_drawn_before() -> None:
    first = latents([5], 4)
    latents(range(100), 4)
    np.testing.assert_array_equal(latents([9, 5], 4)[1:], first)


def test_distinct_seeds_have_distinct_latents() -> None:
    drawn = latents([*range(500), 2**31, 2**32, 2**63, 2**64 - 1], 3)
    assert len({tuple(row) for row in drawn.tolist()}) == 504


def test_latents_are_standard_normal() -> None:
    drawn = latents(range(2000), 50).astype(np.float64)
    n = drawn.size
    assert abs(drawn.mean()) < 4 / np.sqrt(n)
    assert abs(drawn.var() - 1) < 4 * np.sqrt(2 / n)
    assert abs((drawn**3).mean()) < 4 * np.sqrt(15 / n)
    assert abs((drawn**4).mean() - 3) < 4 * np.sqrt(96 / n)
    columns = np.corrcoef(drawn, rowvar=False) - np.eye(50)
    assert np.abs(columns).max() < 5 / np.sqrt(2000)
    assert np.abs(np.sum(drawn[:-1] * drawn[1:], axis=1)).max() < 6 * np.sqrt(50)


def test_latents_are_these_on_every_machine() -> None:
    expected = np.random.Generator(np.random.Philox(key=7)).standard_normal(4, dtype=np.float32)
    np.testing.assert_array_equal(latents([7], 4)[0], expected)
    assert latents([7], 4).dtype == np.float32


def test_no_seeds_have_no_latents() -> None:
    assert latents([], 5).shape == (0, 5)


@pytest.mark.parametrize("seed", [-1, 2**128])
def test_seeds_out_of_range_are_refused(seed: int) -> None:
    with pytest.raises(ValueError, match="key must be positive"):
        latents([seed], 2)


@pytest.mark.parametrize("low", [-1.0, 0.0])
def test_every_grey_level_survives_the_round_trip(low: float) -> None:
    levels = np.arange(256)
    values = (levels / 255 * (1 - low) + low).astype(np.float32)
    np.testing.assert_array_equal(to_uint8(values, low, 1.0), levels)


def test_values_are_rounded_not_cut() -> None:
    values = np.array([10.4, 10.6, 254.6]) / 255
    assert to_uint8(values, 0.0, 1.0).tolist() == [10, 11, 255]


def test_values_outside_are_clipped_not_wrapped() -> None:
    assert to_uint8(np.array([-9.0, -1.01, 1.01, 9e9]), -1.0, 1.0).tolist() == [0, 0, 255, 255]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="NaN or infinite"):
        to_uint8(np.array([0.0, value], np.float32), 0.0, 1.0)


class Constant(LatentSampler):
    """Paints every pixel with the first coordinate of its latent."""

    latent_dim = 2

    def decode(self, z: np.ndarray) -> Images:
        return np.repeat(to_uint8(z[:, :1], -4.0, 4.0), 3 * 8 * 8, axis=1).reshape(-1, 3, 8, 8)


def test_a_latent_sampler_is_a_sampler_of_its_seeds() -> None:
    sampler = Constant()
    assert isinstance(sampler, Sampler)
    np.testing.assert_array_equal(sampler.sample([3, 4])[1:], sampler.sample([4]))
    np.testing.assert_array_equal(sampler.sample([4]), sampler.decode(latents([4], 2)))
