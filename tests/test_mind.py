import numpy as np
import pytest
import torch

from facebench.errors import BadInput
from facebench.metrics import mind
from facebench.metrics.monge import mind_estimate


def normal(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d))


def directions(width: int, count: int = 1000, seed: int = 2020) -> np.ndarray:
    """torch-fidelity's: float32, of the CPU's generator."""
    random = torch.Generator(device="cpu").manual_seed(seed)
    drawn = torch.randn(count, width, generator=random, dtype=torch.float32)
    return (drawn / drawn.norm(dim=1, keepdim=True).clamp_min(1e-12)).numpy()


def oracle(x: np.ndarray, y: np.ndarray, units: np.ndarray) -> float:
    """The formula, direction by direction, of equally large sets and in the arrays' own dtype."""
    moved = [np.sort(x @ u) - np.sort(y @ u) for u in units.astype(x.dtype)]
    return float(3 * x.shape[1] / len(x) / len(units) * np.square(moved).sum())


@pytest.mark.parametrize(("n", "d"), [(300, 20), (40, 64), (2, 1)])
def test_equals_the_formula_on_the_same_directions(n: int, d: int) -> None:
    x, y = normal(n, d), 1.2 * normal(n, d, 1) + 0.3
    assert mind(x, y) == pytest.approx(oracle(x, y, directions(d)), rel=1e-12)
    assert mind(x, y, 7, seed=3) == pytest.approx(oracle(x, y, directions(d, 7, 3)), rel=1e-12)


def test_meets_torch_fidelitys_float32() -> None:
    real = np.maximum(normal(500, 64), 0).astype(np.float32)
    fake = np.maximum(normal(500, 64, 1) + 0.2, 0).astype(np.float32)
    assert mind(real, fake) == pytest.approx(oracle(fake, real, directions(64)), rel=1e-6)


def test_gaussians_have_the_closed_form() -> None:
    # along u it is (uᵀs)² + (r - 1)² for a shift s and a scale r, and the mean of (uᵀs)² is ‖s‖²/d
    n, d, shift, scale = 20000, 16, 0.5, 1.5
    value = mind(normal(n, d), shift + scale * normal(n, d, 1))
    assert value == pytest.approx(3 * d * (shift**2 + (scale - 1) ** 2), rel=0.03)


def test_unequal_sets_are_compared_exactly() -> None:
    x, y = normal(15, 4), normal(10, 4, 1) + 0.5
    alike = oracle(np.repeat(x, 2, 0), np.repeat(y, 3, 0), directions(4))
    assert mind(x, y) == pytest.approx(alike, rel=1e-12)
    assert mind(y, x) == pytest.approx(alike, rel=1e-12)
    coprime = oracle(np.repeat(x, 7, 0), np.repeat(y[:7], 15, 0), directions(4))
    assert mind(x, y[:7]) == pytest.approx(coprime, rel=1e-12)


def test_equal_sets_in_any_order_have_none() -> None:
    x = normal(50, 6)
    assert mind(x, x[::-1].copy()) < 1e-28  # a product may round otherwise in another place
    assert mind(x, np.repeat(x, 3, 0)) < 1e-28


@pytest.mark.parametrize("m", [320, 237])
def test_pseudo_values_are_those_of_leaving_groups_out(m: int) -> None:
    x, y = normal(320, 10), 1.3 * normal(m, 10, 1) + 0.2
    estimate = mind_estimate(x, y)
    assert estimate.groups is not None
    parts = [np.array_split(np.arange(len(z)), 32) for z in (x, y)]
    left_out = -31 * np.array(
        [
            mind(np.delete(x, a, 0), np.delete(y, b, 0)) - estimate.value
            for a, b in zip(*parts, strict=True)
        ]
    )
    assert np.corrcoef(estimate.groups, left_out)[0, 1] > 0.98
    assert np.std(left_out) == pytest.approx(np.std(estimate.groups), rel=0.1)


def test_parts_do_not_change_it(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = normal(30, 5), normal(40, 5, 1)
    whole = mind_estimate(x, y)
    monkeypatch.setattr("facebench.metrics.monge.PROJECTED", 8 * 70 * 90)
    monkeypatch.setattr("facebench.metrics.monge.SORTED", 8 * 70 * 7)
    parts = mind_estimate(x, y)
    assert parts.value == pytest.approx(whole.value, rel=1e-13)
    assert parts.error == pytest.approx(whole.error, rel=1e-13)


def test_what_has_no_distance_is_refused() -> None:
    with pytest.raises(BadInput, match="0 directions give no distance: take at least 1"):
        mind(normal(5, 3), normal(5, 3), directions=0)
    with pytest.raises(BadInput, match="hold 1 samples where at least 2"):
        mind(normal(5, 3), normal(1, 3))
    with pytest.raises(BadInput, match="have 3 columns and the generated ones 4"):
        mind(normal(5, 3), normal(5, 4))
    with pytest.raises(BadInput, match="NaN or infinite"):
        mind(normal(5, 3), np.full((5, 3), np.nan))
